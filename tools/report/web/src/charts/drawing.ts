// What a kind of chart gives: an ECharts option, and what has to be known to show it.
import type { EChartsCoreOption } from 'echarts/core';
import { el } from '../dom';
import type { Theme } from '../theme';

export interface Drawing {
  option: EChartsCoreOption;
  height: number;
  marks: number; // drawn, all together
  lengths: number[]; // marks of each series, for the keys
  patterns: boolean; // beside the colours
}

// A tooltip's lines, as an element: what a scenario is called stays text.
export function tip(...text: string[]): HTMLElement {
  return el('div', {}, ...text.filter(line => line !== '').map(line => el('div', {}, line)));
}

export function tooltip(theme: Theme, formatter: (point: any) => HTMLElement) {
  return {
    trigger: 'item', confine: true, formatter,
    backgroundColor: theme.ground, borderColor: theme.faint, textStyle: { color: theme.text },
  };
}

export function legend(theme: Theme, names: string[]) {
  return {
    show: names.length > 1, type: 'plain', top: 0, left: 0, data: names, itemWidth: 18, itemHeight: 11,
    textStyle: { color: theme.text },
  };
}

// Rows of a legend in so much width: a name's letters and its sign.
export function legendRows(names: string[], width: number): number {
  if (names.length < 2) return 0;
  let rows = 1, used = 0;
  for (const name of names) {
    const wide = 36 + 6.6 * name.length;
    if (used > 0 && used + wide > width) { rows += 1; used = 0; }
    used += wide;
  }
  return rows;
}

export function axis(theme: Theme, more: object) {
  return {
    nameLocation: 'middle', nameTextStyle: { color: theme.text },
    axisLabel: { color: theme.text, hideOverlap: true },
    axisLine: { lineStyle: { color: theme.text } },
    splitLine: { lineStyle: { color: theme.faint } },
    ...more,
  };
}

// Names of categories beside lying bars: as many letters as there is room for.
export function names(theme: Theme, width: number, categories: string[]) {
  const phone = width < 500;
  const letters = phone ? 22 : 36, wide = phone ? 5.8 : 7;
  const longest = Math.min(letters, Math.max(...categories.map(name => name.length)));
  return {
    left: Math.min(width * 0.44, 20 + wide * longest),
    label: {
      color: theme.text, interval: 0, fontSize: phone ? 10 : 12,
      formatter: (text: string) => shortened(text, letters),
    },
  };
}

export const shortened = (text: string, most: number) =>
  text.length <= most ? text : text.slice(0, most - 1) + '…';
