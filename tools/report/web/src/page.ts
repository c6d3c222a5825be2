// What a page shows, as tools/report/page.h writes it. All text is ready to be shown: numbers are
// formatted by the program, and the page formats none.

export interface Page {
  kind: string; // "run", "exchange", …: only for who looks
  title: string;
  what: string;
  answer: string; // in a sentence
  warnings: string[];
  sections: Section[];
  report: unknown; // what --format json prints
}

export interface Section {
  title: string;
  text: string[];
  figures: Figure[];
}

export interface Figure {
  title: string;
  sentence: string; // what is to be seen
  note: string; // what was thinned or binned; may be empty
  chart: Chart | null; // null: the table alone
  table: Table | null; // null: the chart's own cells
}

export interface Table {
  columns: string[];
  rows: string[][];
}

export type Chart = Bars | Lines | Heat | TimelineChart | Graph | Parallel;

// A group of bars a category; with `stacked` one bar, of the series' parts.
export interface Bars {
  type: 'bars';
  unit: string;
  categories: string[];
  series: { name: string; values: number[]; texts: string[] }[];
  stacked: boolean;
  running: boolean; // a waterfall: each bar from where the one before ended, the last from 0
  limit: { value: number; text: string } | null; // a line across
}

export interface Lines {
  type: 'lines';
  x: Axis;
  y: Axis;
  series: { name: string; points: [number, number][]; texts: string[] }[];
  marks: boolean; // points without a line
}

export interface Axis {
  name: string;
  log: boolean;
  whole: boolean; // marked at whole numbers only
}

export interface Heat {
  type: 'heat';
  x: string;
  y: string;
  unit: string;
  columns: string[];
  rows: string[];
  values: number[]; // [rows x columns], rounded
  scale: 'linear' | 'log2'; // log2: around 1, from 1/8 to 8; zero stands out
}

export interface TimelineChart {
  type: 'timeline';
  unit: string;
  tracks: string[];
  kinds: string[];
  slices: [number, number, number, number, string][]; // track, from, to, kind, text
}

export interface Graph {
  type: 'graph';
  scale: string; // what a line's colour says
  kinds: string[];
  nodes: [string, number, number, number][]; // name, kind, x, y
  links: [number, number, number, string][]; // from, to, share of the most used, text
}

// Upright axes side by side, a line through all of them for each point.
export interface Parallel {
  type: 'parallel';
  kinds: string[];
  axes: { name: string; bottom: string; top: string }[];
  lines: { kind: number; at: (number | null)[]; texts: string[] }[]; // from 0 to 1 of each axis
}
