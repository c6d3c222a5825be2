import type { Heat } from '../page';
import { type Theme, viridis } from '../theme';
import { axis, tip, tooltip, type Drawing } from './drawing';

const kNone = -99; // of log2: nothing at all, which stands out from little
const kSpan = 3;

function shade(chart: Heat, value: number): number {
  if (chart.scale === 'linear') return value;
  return value <= 0 ? kNone : Math.max(-kSpan, Math.min(kSpan, Math.log2(value)));
}

export function heat(chart: Heat, theme: Theme, width: number): Drawing {
  const columns = chart.columns.length, rows = chart.rows.length;
  const cells = chart.values.map((value, i) => [i % columns, Math.floor(i / columns), shade(chart, value)]);
  const log = chart.scale === 'log2';
  const most = Math.max(...chart.values, 0) || 1;
  const plain = (width - 80) / columns; // square cells where they are large enough
  // Words on both sides of the scale: shorter where they would be cut off.
  const phone = width < 500;
  const height = Math.max(120, Math.min(640, rows * Math.max(6, Math.min(24, plain))));
  return {
    height: height + 104,
    marks: cells.length,
    lengths: [cells.length],
    patterns: false,
    option: {
      grid: { left: 56, right: 16, top: 24, bottom: 80 },
      tooltip: tooltip(theme, point => tip(`${chart.y} ${chart.rows[point.value[1]]}`,
        `${chart.x} ${chart.columns[point.value[0]]}`,
        `${chart.values[point.dataIndex]} ${chart.unit}`)),
      xAxis: axis(theme, { type: 'category', data: chart.columns, name: chart.x, nameGap: 24, splitLine: { show: false } }),
      yAxis: axis(theme, {
        type: 'category', data: chart.rows, name: chart.y, inverse: true, nameLocation: 'start', nameGap: 8,
        splitLine: { show: false },
      }),
      visualMap: {
        type: 'continuous', calculable: false, orient: 'horizontal', left: 'center', bottom: 0, itemHeight: phone ? 70 : 160, itemWidth: 12,
        min: log ? -kSpan : 0, max: log ? kSpan : most, inRange: { color: viridis }, outOfRange: { color: '#D55E00' },
        text: log ? [`8 ${chart.unit} and more`, '1/8 and less; none: red'] : [`${most} ${chart.unit}`, '0'],
        textStyle: { color: theme.text, fontSize: phone ? 10 : 12 },
      },
      series: [{ type: 'heatmap', data: cells, progressive: 0, itemStyle: { borderWidth: 0 }, emphasis: { disabled: true } }],
    },
  };
}
