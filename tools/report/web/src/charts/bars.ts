import type { Bars } from '../page';
import type { Theme } from '../theme';
import { waterfall } from './waterfall';
import { axis, legend, legendRows, names as named, tip, tooltip, type Drawing } from './drawing';

const kRow = 30, kGroup = 16;

// Lying bars: names of categories are read, on a phone too.
export function bars(chart: Bars, theme: Theme, width: number): Drawing {
  if (chart.running) return waterfall(chart, theme, width);
  const names = chart.series.map(series => series.name);
  const top = 24 * legendRows(names, width) + (chart.limit ? 24 : 8);
  const row = chart.stacked || names.length === 1 ? kRow : kGroup * names.length + 12;
  const { left, label } = named(theme, width, chart.categories);
  // The words of a line near an end lie on the inner side of it.
  const ends = chart.categories.map((_, i) => chart.series.map(one => one.values[i]))
    .map(values => chart.stacked ? values.reduce((sum, value) => sum + value, 0) : Math.max(...values));
  const share = chart.limit ? chart.limit.value / Math.max(...ends, chart.limit.value) : 0;
  return {
    height: top + row * chart.categories.length + 54,
    marks: chart.categories.length * names.length,
    lengths: chart.series.map(series => series.values.length),
    patterns: names.length > 1,
    option: {
      color: theme.colours,
      legend: legend(theme, names),
      grid: { left, right: 24, top, bottom: 44 },
      tooltip: tooltip(theme, point =>
        tip(chart.categories[point.dataIndex], names.length > 1 ? point.seriesName : '',
          chart.series[point.seriesIndex].texts[point.dataIndex])),
      xAxis: axis(theme, {
        type: 'value', name: chart.unit, nameGap: 26, splitNumber: width < 500 ? 3 : 6,
        max: chart.limit ? (most: { max: number }) => Math.max(most.max, chart.limit!.value * 1.04) : undefined,
        axisLabel: { color: theme.text, hideOverlap: true, showMaxLabel: chart.limit ? false : undefined },
      }),
      yAxis: axis(theme, {
        type: 'category', inverse: true, data: chart.categories, z: 3, axisTick: { show: false },
        axisLabel: label,
      }),
      series: chart.series.map((series, s) => ({
        type: 'bar', name: series.name, data: series.values, barMaxWidth: 20,
        stack: chart.stacked ? 'all' : undefined,
        itemStyle: { borderColor: theme.ground, borderWidth: chart.stacked ? 1 : 0 },
        markLine: s === 0 && chart.limit ? {
          symbol: 'none', silent: true, data: [{ xAxis: chart.limit.value }],
          lineStyle: { color: theme.text, type: 'dashed', width: 1.5 },
          label: { formatter: chart.limit.text, color: theme.text, position: 'start',
            align: share > 0.7 ? 'right' : share < 0.2 ? 'left' : 'center' },
        } : undefined,
      })),
    },
  };
}
