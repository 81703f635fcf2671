/* A small set of line icons on a 20 x 20 grid, drawn for this stand-in. Unknown names give a plain dot. */

const ICONS = {
  'alert-circle': 'M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14ZM10 6.5v4.5M10 13.2v.1',
  'alert-triangle': 'M10 3.5 17.2 16H2.8L10 3.5ZM10 8v4M10 13.9v.1',
  'arrow-down': 'M10 4v12M5.5 11.5 10 16l4.5-4.5',
  'arrow-left': 'M16 10H4M8.5 5.5 4 10l4.5 4.5',
  'arrow-right': 'M4 10h12M11.5 5.5 16 10l-4.5 4.5',
  'arrow-up': 'M10 16V4M5.5 8.5 10 4l4.5 4.5',
  cart: 'M3 4h2l1.8 8.5h7.7L16.5 7H6M8 15.8v.2M13.5 15.8v.2',
  'chart-line': 'M3.5 15.5 8 10l3 3 5.5-7.5M12.5 5.5h4v4',
  'chart-vertical': 'M4.5 16V10M10 16V4.5M15.5 16V7.5',
  check: 'M4.5 10.5 8.5 14.5 15.5 6',
  'check-circle': 'M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14ZM7 10.2l2.2 2.2 4-4.4',
  'chevron-down': 'M6 8.2 10 12.2 14 8.2',
  'chevron-left': 'M12 5.5 7.5 10 12 14.5',
  'chevron-right': 'M8 5.5 12.5 10 8 14.5',
  'chevron-up': 'M6 12 10 8 14 12',
  clock: 'M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14ZM10 6v4.2l2.8 1.8',
  delete: 'M4 6h12M8 6V4h4v2M5.5 6l.8 10.5h7.4L14.5 6M8.5 9v4.5M11.5 9v4.5',
  duplicate: 'M7 7h9v9H7zM4 13V4h9',
  edit: 'M4 16l.8-3.4L13 4.4l2.6 2.6-8.2 8.2L4 16Z',
  export: 'M10 12.5V3.5M6.5 7 10 3.5 13.5 7M4 12v4h12v-4',
  external: 'M11.5 4H16v4.5M16 4l-7 7M13.5 11.5V16H4V6.5h4.5',
  filter: 'M4 6h12M6.5 10h7M8.5 14h3',
  gauge: 'M4 14a6.5 6.5 0 1 1 12 0M10 12.5l3-4',
  globe: 'M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14ZM3 10h14M10 3c-4 4-4 10 0 14 4-4 4-10 0-14Z',
  home: 'M3.5 9.5 10 4l6.5 5.5V16h-4.5v-4H8v4H3.5Z',
  import: 'M10 3.5v9M6.5 9 10 12.5 13.5 9M4 12v4h12v-4',
  info: 'M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14ZM10 9.2v4.3M10 6.8v.1',
  inventory: 'M3.5 6.5 10 3.5l6.5 3v7L10 16.5l-6.5-3zM3.5 6.5 10 9.7l6.5-3.2M10 9.7v6.8',
  menu: 'M4 6h12M4 10h12M4 14h12',
  'menu-horizontal': 'M5 10v.1M10 10v.1M15 10v.1',
  minus: 'M5 10h10',
  order: 'M4.5 11V4h11v7M4.5 11h3l1 2h3l1-2h3v5h-11z',
  person: 'M10 4a2.8 2.8 0 1 0 0 5.6A2.8 2.8 0 0 0 10 4ZM4.5 16c.6-3 2.7-4.5 5.5-4.5s4.9 1.5 5.5 4.5',
  plus: 'M10 4.5v11M4.5 10h11',
  product: 'M10.5 3.5H16v5.5l-7 7-5.5-5.5zM13.2 6.4v.1',
  refresh: 'M15.5 8A6 6 0 1 0 16 11M15.8 4v4h-4',
  reset: 'M4.5 8A6 6 0 1 1 4 11M4.2 4v4h4',
  search: 'M9 3.8a5.2 5.2 0 1 0 0 10.4A5.2 5.2 0 0 0 9 3.8ZM13 13l3.5 3.5',
  settings: 'M10 7.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5ZM10 3v2M10 15v2M3 10h2M15 10h2M5 5l1.5 1.5M13.5 13.5 15 15M15 5l-1.5 1.5M6.5 13.5 5 15',
  star: 'M10 3.5l2 4.3 4.7.6-3.4 3.3.8 4.6L10 14l-4.1 2.3.8-4.6L3.3 8.4l4.7-.6z',
  store: 'M4 8.5 5 4h10l1 4.5M4 8.5h12M5 8.5V16h10V8.5M8.5 16v-4h3v4',
  undo: 'M7.5 4.5 4 8l3.5 3.5M4 8h8a4 4 0 0 1 0 8H8',
  view: 'M2.8 10c1.8-3.3 4.2-5 7.2-5s5.4 1.7 7.2 5c-1.8 3.3-4.2 5-7.2 5s-5.4-1.7-7.2-5ZM10 7.8a2.2 2.2 0 1 0 0 4.4 2.2 2.2 0 0 0 0-4.4Z',
  x: 'M5.5 5.5l9 9M14.5 5.5l-9 9',
};
const ICON_TWINS = { 'x-circle': 'alert-circle', 'caret-down': 'chevron-down', calendar: 'clock', cash: 'gauge', 'chart-donut': 'gauge', link: 'external', profile: 'person', checkmark: 'check', collection: 'product' };

function drawIcon(name, size = 20) {
  const path = ICONS[name] || ICONS[ICON_TWINS[name]] || 'M10 9.5a.5.5 0 1 0 0 1 .5.5 0 0 0 0-1Z';
  return make('svg:svg', { viewBox: '0 0 20 20', width: size, height: size, fill: 'none', stroke: 'currentColor', 'stroke-width': 1.6, 'stroke-linecap': 'round', 'stroke-linejoin': 'round', 'aria-hidden': 'true', focusable: 'false', style: 'flex: none; display: block' }, make('svg:path', { d: path }));
}

define('s-icon', class Icon extends PolarisElement {
  static props = { type: 'string', tone: 'string', color: 'string', size: 'string', interestFor: 'string' };
  static styles = sheet(`
    :host { display: inline-flex; color: var(--p-color-icon); vertical-align: middle; } :host([color="subdued"]) { color: var(--p-color-icon-secondary); }
    :host([tone="info"]) { color: var(--p-color-icon-info); } :host([tone="success"]) { color: var(--p-color-icon-success); }
    :host([tone="caution"]) { color: var(--p-color-icon-caution); } :host([tone="warning"]) { color: var(--p-color-icon-warning); }
    :host([tone="critical"]) { color: var(--p-color-icon-critical); }
  `);
  build() {}
  update() {
    this.root.replaceChildren(drawIcon(this.type, this.size === 'small' ? 16 : 20));
  }
});
