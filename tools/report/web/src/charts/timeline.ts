import { graphic } from 'echarts/core';
import type { TimelineChart } from '../page';
import type { Theme } from '../theme';
import { axis, legend, legendRows, shortened, tip, tooltip, type Drawing } from './drawing';

const kMargin = 40;

// Slices of tracks over time, a series a kind, so that the legend can hide it.
export function timeline(chart: TimelineChart, theme: Theme, width: number): Drawing {
  const top = 24 * legendRows(chart.kinds, width) + 12;
  const row = Math.max(8, Math.min(20, 640 / chart.tracks.length));
  const letters = width < 500 ? 10 : 24;
  const left = 14 + 7 * Math.min(letters, Math.max(...chart.tracks.map(name => name.length)));
  const byKind = chart.kinds.map((_, kind) => chart.slices.filter(slice => slice[3] === kind));
  const end = Math.max(...chart.slices.map(slice => slice[2]));
  return {
    height: top + row * chart.tracks.length + 48,
    marks: chart.slices.length,
    lengths: byKind.map(slices => slices.length),
    patterns: true,
    option: {
      color: theme.colours,
      legend: legend(theme, chart.kinds),
      grid: { left, right: kMargin / 2, top, bottom: 44 },
      tooltip: tooltip(theme, point => {
        const slice = byKind[point.seriesIndex][point.dataIndex];
        return tip(chart.tracks[slice[0]], slice[4]);
      }),
      xAxis: axis(theme, { type: 'value', name: chart.unit, nameGap: 26, min: 0, max: end, splitNumber: width < 500 ? 3 : 6,
        axisLabel: { color: theme.text, hideOverlap: true, showMaxLabel: false } }),
      yAxis: axis(theme, {
        type: 'category', data: chart.tracks, inverse: true, axisTick: { show: false }, splitLine: { show: false },
        axisLabel: { color: theme.text, interval: 'auto', formatter: (text: string) => shortened(text, letters) },
      }),
      series: chart.kinds.map((kind, k) => ({
        type: 'custom', name: kind, progressive: 0, encode: { x: [1, 2], y: 0 },
        data: byKind[k].map(([track, from, to]) => [track, from, to]),
        renderItem: (params: any, api: any) => {
          const [x, y] = api.coord([api.value(1), api.value(0)]);
          const [x2] = api.coord([api.value(2), api.value(0)]);
          const high = api.size([0, 1])[1] * 0.72;
          const shape = graphic.clipRectByRect(
            { x, y: y - high / 2, width: Math.max(0.5, x2 - x), height: high }, params.coordSys);
          return shape && { type: 'rect', shape, style: { ...api.style(), decal: api.visual('decal') } };
        },
      })),
    },
  };
}
