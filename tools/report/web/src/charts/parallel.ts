import type { Parallel } from '../page';
import type { Theme } from '../theme';
import { legend, legendRows, tip, tooltip, type Drawing } from './drawing';

const kFew = 30; // lines that are drawn strong
const kMargin = 8;

// Lines over a category an axis; the axes themselves are marks across.
export function parallel(chart: Parallel, theme: Theme, width: number): Drawing {
  const top = 24 * legendRows(chart.kinds, width) + 56;
  const each = (width - 2 * kMargin) / chart.axes.length;
  const label = {
    color: theme.text, interval: 0, width: each - 6, overflow: 'breakAll', hideOverlap: false,
    fontSize: each < 90 ? 10 : 12, lineHeight: 14,
  };
  const side = (position: string, texts: string[]) => ({
    type: 'category', position, data: texts.map((_, i) => i), axisTick: { show: false }, axisLine: { show: false },
    axisLabel: { ...label, formatter: (_: string, i: number) => texts[i] },
  });
  const few = chart.lines.length <= kFew;
  return {
    height: top + 260 + 76,
    marks: chart.lines.length * chart.axes.length,
    lengths: chart.lines.map(line => line.at.length),
    patterns: false, // kinds are told apart by their dashes
    option: {
      color: theme.colours,
      legend: legend(theme, chart.kinds),
      grid: { left: kMargin, right: kMargin, top, bottom: 76 },
      tooltip: tooltip(theme, point => {
        const line = chart.lines[point.seriesIndex];
        return tip(chart.kinds[line.kind], ...chart.axes.map((axis, i) => `${axis.name}: ${line.texts[i]}`));
      }),
      xAxis: [
        side('bottom', chart.axes.map(axis => `${axis.bottom}\n${axis.name}`)),
        side('top', chart.axes.map(axis => axis.top)),
      ],
      yAxis: { type: 'value', min: 0, max: 1, show: false },
      series: chart.lines.map((line, s) => ({
        type: 'line', name: chart.kinds[line.kind], data: line.at, symbolSize: few ? 6 : 4,
        color: theme.colours[line.kind],
        lineStyle: {
          color: theme.colours[line.kind], width: few || line.kind === 0 ? 2 : 1, opacity: few || line.kind === 0 ? 1 : 0.5,
          type: (['solid', 'dashed', 'dotted'] as const)[line.kind % 3],
        },
        z: line.kind === 0 ? 3 : 2,
        markLine: s === 0 ? {
          symbol: 'none', silent: true, label: { show: false }, data: chart.axes.map((_, i) => ({ xAxis: i })),
          lineStyle: { color: theme.text, type: 'solid', width: 1 },
        } : undefined,
      })),
    },
  };
}
