// Light or dark: as the system has it, until the reader says otherwise; print is light.

// Okabe and Ito's colours, which people with any colour vision tell apart; the last one has to be
// seen on the page's own ground.
const categories = ['#0072B2', '#E69F00', '#009E73', '#CC79A7', '#56B4E9', '#D55E00', '#F0E442'];

export const viridis = [
  '#440154', '#482878', '#3e4a89', '#31688e', '#26828e', '#1f9e89', '#35b779', '#6ece58',
  '#b5de2b', '#fde725',
];

export interface Theme {
  dark: boolean;
  text: string;
  faint: string; // lines of axes
  ground: string;
  colours: string[];
  scale: string[]; // from little to much, for lines on the ground: much stands out
}

const light: Theme = {
  dark: false, text: '#1b1f24', faint: '#d8dde3', ground: '#ffffff',
  colours: [...categories, '#4d4d4d'], scale: viridis.slice(0, 9).reverse(),
};
const dark: Theme = {
  dark: true, text: '#e8eaed', faint: '#3a4048', ground: '#14171a',
  colours: [...categories, '#c8c8c8'], scale: viridis.slice(2),
};

const system = matchMedia('(prefers-color-scheme: dark)');
let chosen: boolean | null = null;
let printing = false;

export function theme(): Theme {
  if (printing) return light;
  return (chosen ?? system.matches) ? dark : light;
}

// Calls `changed` whenever theme() says something else, and on both ends of a print.
export function watchTheme(button: HTMLButtonElement, changed: (printing: boolean) => void) {
  const apply = () => {
    const isDark = theme().dark;
    document.documentElement.dataset.theme = isDark ? 'dark' : 'light';
    button.textContent = isDark ? 'Light' : 'Dark';
    button.setAttribute('aria-label', isDark ? 'Show the page light' : 'Show the page dark');
    changed(printing);
  };
  button.addEventListener('click', () => { chosen = !theme().dark; apply(); });
  system.addEventListener('change', () => { if (chosen === null) apply(); });
  addEventListener('beforeprint', () => { printing = true; apply(); });
  addEventListener('afterprint', () => { printing = false; apply(); });
  apply();
}

// The colour of a share between 0 and 1.
export function colourOf(share: number, scale: string[]): string {
  const last = scale.length - 1;
  return scale[Math.max(0, Math.min(last, Math.round(share * last)))];
}
