import type { Graph } from '../page';
import { colourOf, type Theme } from '../theme';
import { legend, tip, tooltip, type Drawing } from './drawing';

const symbols = ['roundRect', 'diamond', 'circle'];

// Places are the program's; a line's colour and width say how much it is used.
export function graph(chart: Graph, theme: Theme, width: number): Drawing {
  const xs = chart.nodes.map(node => node[2]), ys = chart.nodes.map(node => node[3]);
  const wide = Math.max(...xs) - Math.min(...xs) || 1, high = Math.max(...ys) - Math.min(...ys) || 1;
  const scale = (width - 60) / wide;
  const height = Math.max(160, Math.min(720, high * scale + 40));
  // As large as the box that they are drawn in: symbols keep their shape.
  const x = (at: number) => (at - Math.min(...xs)) / wide * (width - 48);
  const y = (at: number) => (at - Math.min(...ys)) / high * (height - 20);
  const size = Math.max(3, Math.min(14, 16 * Math.min(scale, height / high)));
  return {
    height: height + 64,
    marks: chart.nodes.length + chart.links.length,
    lengths: [chart.nodes.length],
    patterns: false,
    option: {
      color: theme.colours,
      legend: legend(theme, chart.kinds),
      tooltip: tooltip(theme, point => point.dataType === 'edge'
        ? tip(`${chart.nodes[chart.links[point.dataIndex][0]][0]} to ${chart.nodes[chart.links[point.dataIndex][1]][0]}`,
          chart.links[point.dataIndex][3])
        : tip(chart.nodes[point.dataIndex][0])),
      series: [{
        type: 'graph', layout: 'none', left: 24, right: 24, top: 56, bottom: 28, roam: false,
        categories: chart.kinds.map((name, kind) => ({ name, symbol: symbols[kind % symbols.length] })),
        data: chart.nodes.map(([name, kind, across, down]) => ({
          name, category: kind, x: x(across), y: y(down), symbol: symbols[kind % symbols.length], symbolSize: size,
          itemStyle: { borderColor: theme.text, borderWidth: 0.5 },
          label: { position: kind === 2 ? 'top' : 'bottom' },
        })),
        links: chart.links.map(([source, target, share]) => ({
          source, target,
          lineStyle: { color: colourOf(share, theme.scale), width: 0.6 + 2.4 * share, opacity: 0.9, curveness: 0 },
        })),
        label: { show: size >= 12 && chart.nodes.length <= 40, color: theme.text, fontSize: 9 },
        emphasis: { disabled: true },
      }],
    },
  };
}
