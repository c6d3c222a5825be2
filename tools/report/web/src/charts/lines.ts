import type { Axis, Lines } from '../page';
import type { Theme } from '../theme';
import { axis, legend, legendRows, tip, tooltip, type Drawing } from './drawing';

const kMostNamed = 10; // lines that a legend names
const kMostMarked = 40; // points of a line that are marked one by one
const dashes = ['solid', 'dashed', 'dotted', [8, 3, 2, 3]] as const;

function side(theme: Theme, side: Axis, more: object) {
  return axis(theme, {
    type: side.log ? 'log' : 'value', name: side.name, scale: !side.log, minInterval: side.whole ? 1 : 0,
    max: side.log || side.whole ? 'dataMax' : undefined, ...more,
  });
}

export function lines(chart: Lines, theme: Theme, width: number): Drawing {
  const named = chart.series.length <= kMostNamed;
  const names = named ? chart.series.map(series => series.name) : [];
  const top = 24 * legendRows(names, width) + 16;
  return {
    height: top + Math.min(340, Math.max(240, width * 0.55)) + 50,
    marks: chart.series.reduce((sum, series) => sum + series.points.length, 0),
    lengths: chart.series.map(series => series.points.length),
    patterns: false, // lines are told apart by their dashes
    option: {
      color: theme.colours,
      legend: legend(theme, names),
      grid: { left: 58, right: 20, top, bottom: 48 },
      tooltip: tooltip(theme, point =>
        tip(point.seriesName, chart.series[point.seriesIndex].texts[point.dataIndex])),
      xAxis: side(theme, chart.x, { nameGap: 28, splitNumber: width < 500 ? 3 : 6 }),
      yAxis: side(theme, chart.y, { nameGap: 42 }),
      series: chart.series.map((series, s) => ({
        type: chart.marks ? 'scatter' : 'line', name: series.name, data: series.points,
        symbolSize: chart.marks ? 8 : series.points.length <= kMostMarked ? 5 : 3,
        showSymbol: series.points.length <= kMostMarked,
        lineStyle: {
          width: named ? 2 : 1, opacity: named ? 1 : 0.5,
          type: dashes[Math.floor(s / theme.colours.length + (named ? s : 0)) % dashes.length],
        },
      })),
    },
  };
}
