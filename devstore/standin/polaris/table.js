/* Tables. On a narrow container each row becomes a list entry, cells placed by the header's listSlot. */

const NARROW = '30.625rem';

define('s-table', class Table extends PolarisElement {
  static props = { variant: 'string', loading: 'boolean', paginate: 'boolean', hasPreviousPage: 'boolean', hasNextPage: 'boolean', accessibilityLabel: 'string' };
  static events = ['nextpage', 'previouspage'];
  static styles = sheet(`
    :host { display: block; container-type: inline-size; position: relative; }
    .scroll { overflow-x: auto; } .table { display: table; inline-size: 100%; border-collapse: collapse; }
    :host([variant="list"]) .table { display: block; } @container (inline-size < ${NARROW}) { .table { display: block; } }
    .filters { padding: 8px 12px; } .filters[hidden] { display: none; }
    .pages { display: flex; justify-content: center; gap: 2px; padding: 8px; border-block-start: 1px solid var(--p-color-border-secondary); } .pages[hidden] { display: none; }
    .pages button { all: unset; cursor: pointer; display: grid; place-items: center; inline-size: 32px; block-size: 28px; border-radius: 8px; background: var(--p-color-bg-fill-tertiary); }
    .pages button:disabled { color: var(--p-color-text-disabled); cursor: default; } .pages button:focus-visible { outline: 2px solid var(--p-color-border-focus); outline-offset: 1px; }
    .veil { position: absolute; inset: 0; display: none; place-items: center; background: rgba(255, 255, 255, 0.6); } :host([loading]) .veil { display: grid; }
    .veil i { inline-size: 24px; block-size: 24px; border: 3px solid var(--p-color-bg-fill-tertiary); border-block-start-color: var(--p-color-icon); border-radius: 50%; animation: turn 0.6s linear infinite; }
    @keyframes turn { to { transform: rotate(1turn); } }
  `);
  build() {
    this.filters = make('slot', { name: 'filters' });
    this.filterBox = make('div', { class: 'filters', hidden: true }, this.filters);
    this.filters.addEventListener('slotchange', () => { this.filterBox.hidden = !hasContent(this.filters); });
    this.back = make('button', { type: 'button', 'aria-label': 'Previous page' }, drawIcon('chevron-left'));
    this.next = make('button', { type: 'button', 'aria-label': 'Next page' }, drawIcon('chevron-right'));
    this.back.addEventListener('click', () => this.emit('previouspage'));
    this.next.addEventListener('click', () => this.emit('nextpage'));
    this.pages = make('div', { class: 'pages', role: 'group', 'aria-label': 'Pages', hidden: true }, this.back, this.next);
    this.table = make('div', { class: 'table', role: 'table' }, make('slot'));
    this.root.append(this.filterBox, make('div', { class: 'scroll' }, this.table), make('div', { class: 'veil', 'aria-hidden': 'true' }, make('i')), this.pages);
  }
  connectedCallback() {
    super.connectedCallback();
    this.watch = new MutationObserver(() => this.align());
    this.watch.observe(this, { childList: true, subtree: true, characterData: true, attributes: true, attributeFilter: ['format', 'listslot'] });
    this.align();
  }
  disconnectedCallback() {
    this.watch.disconnect();
  }
  update() {
    this.pages.hidden = !this.paginate;
    this.back.disabled = !this.hasPreviousPage;
    this.next.disabled = !this.hasNextPage;
    this.setAttribute('aria-busy', String(this.loading));
    if (this.accessibilityLabel) this.table.setAttribute('aria-label', this.accessibilityLabel);
  }
  /** Hands each column's format, list slot and label down to its cells. */
  align() {
    const headers = [...this.querySelectorAll('s-table-header')];
    for (const row of this.querySelectorAll('s-table-row')) {
      [...row.children].filter((child) => child.localName === 's-table-cell').forEach((cell, index) => {
        const header = headers[index];
        const set = (name, value) => value !== cell.getAttribute(name) && cell.setAttribute(name, value);
        set('data-format', header?.getAttribute('format') || 'base');
        set('data-slot', header?.getAttribute('listslot') || (index === 0 ? 'primary' : 'labeled'));
        set('data-label', header?.textContent.trim() || '');
        set('data-variant', this.variant || 'auto');
      });
    }
    this.querySelectorAll('s-table-row, s-table-header-row').forEach((row) => row.setAttribute('data-variant', this.variant || 'auto'));
  }
});

const rowGroup = (extra = '') => sheet(`:host { display: table-row-group; } ${extra}`);

define('s-table-body', class TableBody extends PolarisElement {
  static styles = rowGroup(`@container (inline-size < ${NARROW}) { :host { display: block; } }`);
  update() {
    giveRole(this, 'rowgroup');
  }
});

define('s-table-header-row', class TableHeaderRow extends PolarisElement {
  static styles = sheet(`
    :host { display: table-row; background: var(--p-color-bg-surface-secondary); }
    :host([data-variant="list"]) { position: absolute; clip-path: inset(50%); inline-size: 1px; block-size: 1px; overflow: hidden; }
    @container (inline-size < ${NARROW}) { :host { position: absolute; clip-path: inset(50%); inline-size: 1px; block-size: 1px; overflow: hidden; } }
  `);
  update() {
    giveRole(this, 'row');
  }
});

define('s-table-header', class TableHeader extends PolarisElement {
  static props = { listSlot: 'string', format: 'string' };
  static styles = sheet(`
    :host { display: table-cell; padding: 8px 12px; font-size: 0.75rem; line-height: 1rem; font-weight: 550; color: var(--p-color-text-secondary); text-align: start; white-space: nowrap; border-block-end: 1px solid var(--p-color-border-secondary); }
    :host([format="numeric"]), :host([format="currency"]) { text-align: end; }
  `);
  update() {
    giveRole(this, 'columnheader');
  }
});

define('s-table-row', class TableRow extends PolarisElement {
  static props = { clickDelegate: 'string' };
  static styles = sheet(`
    :host { display: table-row; } :host(:hover) { background: var(--p-color-bg-surface-hover); } :host([clickdelegate]) { cursor: pointer; }
    :host([data-variant="list"]) { display: flex; flex-wrap: wrap; gap: 2px 8px; padding: 10px 16px; border-block-end: 1px solid var(--p-color-border-secondary); }
    @container (inline-size < ${NARROW}) { :host { display: flex; flex-wrap: wrap; gap: 2px 8px; padding: 10px 16px; border-block-end: 1px solid var(--p-color-border-secondary); } }
  `);
  constructor() {
    super();
    this.addEventListener('click', (event) => {
      if (!this.clickDelegate || event.target.closest('a, button, s-button, s-link, s-checkbox, input')) return;
      document.getElementById(this.clickDelegate)?.click();
    });
  }
  update() {
    giveRole(this, 'row');
  }
});

const LISTED = `
  :host { display: block; padding: 0; border: 0; text-align: start; }
  :host([data-slot="primary"]) { flex: 1 1 60%; font-weight: 550; order: 1; } :host([data-slot="kicker"]) { flex-basis: 100%; order: 0; color: var(--p-color-text-secondary); font-size: 0.75rem; }
  :host([data-slot="inline"]) { order: 2; } :host([data-slot="secondary"]) { flex-basis: 100%; order: 3; color: var(--p-color-text-secondary); }
  :host([data-slot="labeled"]) { flex-basis: 100%; order: 4; display: flex; justify-content: space-between; gap: 12px; } :host([data-slot="labeled"]) .label { display: inline; }
`;
define('s-table-cell', class TableCell extends PolarisElement {
  static props = {};
  static styles = sheet(`
    :host { display: table-cell; padding: 8px 12px; vertical-align: middle; border-block-end: 1px solid var(--p-color-border-secondary); text-align: start; }
    :host([data-format="numeric"]), :host([data-format="currency"]) { text-align: end; font-variant-numeric: tabular-nums; white-space: nowrap; }
    .label { display: none; color: var(--p-color-text-secondary); }
    ${LISTED.replaceAll(':host([data', ':host([data-variant="list"][data').replace(':host {', ':host([data-variant="list"]) {').replaceAll('\n', '\n    ')}
    @container (inline-size < ${NARROW}) { ${LISTED} }
  `);
  static get observedAttributes() {
    return ['data-label'];
  }
  build() {
    this.labelText = make('span', { class: 'label', 'aria-hidden': 'true' });
    this.root.append(this.labelText, make('span', {}, make('slot')));
  }
  update() {
    giveRole(this, 'cell');
    this.labelText.textContent = this.dataset.label || '';
  }
});
