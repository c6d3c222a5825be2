import { graphic } from 'echarts/core';
import type { Bars } from '../page';
import type { Theme } from '../theme';
import { axis, names, tip, tooltip, type Drawing } from './drawing';

const kRow = 30;

// Steps from zero to a sum: each bar from where the one before it ended, the sum from zero.
export function waterfall(chart: Bars, theme: Theme, width: number): Drawing {
  const { values, texts } = chart.series[0];
  const last = values.length - 1;
  let sum = 0;
  const data = values.map((value, i) => {
    const from = i === last ? 0 : sum;
    sum = from + value;
    return [i, from, sum];
  });
  const { left, label } = names(theme, width, chart.categories);
  const colour = (i: number) => theme.colours[i === last ? 7 : values[i] < 0 ? 0 : 5];
  return {
    height: 8 + kRow * values.length + 54,
    marks: values.length,
    lengths: [values.length],
    patterns: false,
    option: {
      grid: { left, right: 24, top: 8, bottom: 44 },
      tooltip: tooltip(theme, point => tip(chart.categories[point.dataIndex], texts[point.dataIndex])),
      xAxis: axis(theme, {
        type: 'value', name: chart.unit, nameGap: 26, splitNumber: width < 500 ? 3 : 6,
        axisLabel: { color: theme.text, hideOverlap: true },
      }),
      yAxis: axis(theme, {
        type: 'category', inverse: true, data: chart.categories, axisTick: { show: false }, splitLine: { show: false },
        axisLine: { show: false },
        axisLabel: label,
      }),
      series: [{
        type: 'custom', name: chart.series[0].name, encode: { x: [1, 2], y: 0 }, data,
        renderItem: (params: any, api: any) => {
          const i = params.dataIndex;
          const [a, y] = api.coord([api.value(1), i]);
          const [b] = api.coord([api.value(2), i]);
          const high = 20;
          const shape = graphic.clipRectByRect(
            { x: Math.min(a, b), y: y - high / 2, width: Math.max(1, Math.abs(b - a)), height: high },
            params.coordSys);
          return shape && { type: 'rect', shape, style: { fill: colour(i) } };
        },
      }],
    },
  };
}
