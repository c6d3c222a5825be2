// A chart in its box: drawn, drawn anew where the theme or the width changes, and walked with keys.
import { use, init, type EChartsType } from 'echarts/core';
import { BarChart, CustomChart, GraphChart, HeatmapChart, LineChart, ScatterChart } from 'echarts/charts';
import {
  AriaComponent, GridComponent, LegendComponent, MarkLineComponent, TooltipComponent,
  VisualMapComponent,
} from 'echarts/components';
import { CanvasRenderer, SVGRenderer } from 'echarts/renderers';
import { bars } from './charts/bars';
import { graph } from './charts/graph';
import { heat } from './charts/heat';
import { lines } from './charts/lines';
import { parallel } from './charts/parallel';
import { timeline } from './charts/timeline';
import type { Drawing } from './charts/drawing';
import type { Chart } from './page';
import { theme, type Theme } from './theme';

use([
  BarChart, CustomChart, GraphChart, HeatmapChart, LineChart, ScatterChart, AriaComponent,
  GridComponent, LegendComponent, MarkLineComponent, TooltipComponent, VisualMapComponent,
  CanvasRenderer, SVGRenderer,
]);

// A kind of chart more is a line here.
const kinds: { [K in Chart['type']]: (chart: Extract<Chart, { type: K }>, theme: Theme, width: number) => Drawing } =
  { bars, lines, heat, timeline, graph, parallel };

function drawingOf(chart: Chart, width: number): Drawing {
  return (kinds[chart.type] as (c: Chart, t: Theme, w: number) => Drawing)(chart, theme(), width);
}

const kMostSvg = 2000; // marks; above, a canvas is quicker
const kPrintWidth = 680; // of a page of A4, in pixels

export interface Drawn {
  redraw(printing: boolean): void;
  resize(): void;
}

export function draw(box: HTMLElement, chart: Chart): Drawn {
  let instance: EChartsType | undefined;
  let current: Drawing | undefined;

  const redraw = (printing: boolean) => {
    const width = printing ? kPrintWidth : box.clientWidth || kPrintWidth;
    const drawing = drawingOf(chart, width);
    box.style.height = `${drawing.height}px`;
    box.style.width = printing ? `${kPrintWidth}px` : '';
    // Kept, not made anew: a canvas may be half way through its marks.
    const size = { width, height: drawing.height };
    if (instance) instance.resize(size);
    else instance = init(box, null, { renderer: drawing.marks > kMostSvg ? 'canvas' : 'svg', ...size });
    instance.setOption({
      animation: false,
      backgroundColor: 'transparent',
      textStyle: { color: theme().text, fontFamily: 'system-ui, sans-serif' },
      aria: { enabled: true, label: { enabled: false }, decal: { show: drawing.patterns } },
      ...drawing.option,
    }, true);
    current = drawing;
  };
  walk(box, () => ({ instance: instance!, lengths: current!.lengths }));
  return {
    redraw,
    resize: () => { if (box.clientWidth > 0 && box.clientWidth !== instance?.getWidth()) redraw(false); },
  };
}

// Left and right go from mark to mark, up and down from series to series, Escape leaves.
function walk(box: HTMLElement, state: () => { instance: EChartsType; lengths: number[] }) {
  let series = 0, mark = -1;
  box.addEventListener('keydown', event => {
    const { instance, lengths } = state();
    if (lengths.length === 0) return;
    const turn = (at: number, by: number, n: number) => (at + by + n) % n;
    switch (event.key) {
      case 'ArrowRight': mark = turn(mark, 1, lengths[series]); break;
      case 'ArrowLeft': mark = turn(Math.max(mark, 0), -1, lengths[series]); break;
      case 'ArrowDown': series = turn(series, 1, lengths.length); mark = Math.max(0, Math.min(mark, lengths[series] - 1)); break;
      case 'ArrowUp': series = turn(series, -1, lengths.length); mark = Math.max(0, Math.min(mark, lengths[series] - 1)); break;
      case 'Escape': mark = -1; instance.dispatchAction({ type: 'hideTip' }); return;
      default: return;
    }
    event.preventDefault();
    instance.dispatchAction({ type: 'showTip', seriesIndex: series, dataIndex: mark });
  });
  box.addEventListener('blur', () => state().instance.dispatchAction({ type: 'hideTip' }));
}
