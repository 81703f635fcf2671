/* Where things stand: page, section, stack, grid, box, divider. */

const BOX_PROPS = {
  background: 'string', border: 'string', borderColor: 'string', borderRadius: 'string', borderStyle: 'string', borderWidth: 'string',
  padding: 'string', paddingBlock: 'string', paddingBlockStart: 'string', paddingBlockEnd: 'string',
  paddingInline: 'string', paddingInlineStart: 'string', paddingInlineEnd: 'string',
  blockSize: 'string', inlineSize: 'string', minBlockSize: 'string', minInlineSize: 'string', maxBlockSize: 'string', maxInlineSize: 'string',
  overflow: 'string', display: 'string', accessibilityLabel: 'string', accessibilityRole: 'string', accessibilityVisibility: 'string',
};
const BACKGROUND = { base: 'var(--p-color-bg-surface)', subdued: 'var(--p-color-bg-surface-secondary)', strong: 'var(--p-color-bg-surface-tertiary)', transparent: 'transparent' };
const BORDER_COLOR = { subdued: 'var(--p-color-border-secondary)', base: 'var(--p-color-border)', strong: 'var(--p-color-border-tertiary)' };
const BORDER_WIDTH = { none: '0', 'small-100': '0.66px', small: '0.66px', base: '1px', large: '2px', 'large-100': '4px' };
const ROLES = { none: 'presentation', section: 'region', aside: 'complementary', header: 'banner', footer: 'contentinfo', 'ordered-list': 'list', 'unordered-list': 'list', 'list-item': 'listitem' };

function boxCss(element, display) {
  const [width, color, style] = (element.border || '').split(/\s+/);
  const properties = {
    background: element.background,
    'border-width': element.borderWidth || width || '',
    'border-color': element.borderColor || color || (width ? 'base' : ''),
    'border-style': element.borderStyle || style || (width && width !== 'none' ? 'solid' : ''),
    'border-radius': element.borderRadius,
    padding: element.padding,
    'padding-block': element.paddingBlock, 'padding-block-start': element.paddingBlockStart, 'padding-block-end': element.paddingBlockEnd,
    'padding-inline': element.paddingInline, 'padding-inline-start': element.paddingInlineStart, 'padding-inline-end': element.paddingInlineEnd,
    'block-size': element.blockSize, 'inline-size': element.inlineSize,
    'min-block-size': element.minBlockSize, 'min-inline-size': element.minInlineSize,
    'max-block-size': element.maxBlockSize, 'max-inline-size': element.maxInlineSize,
    overflow: element.overflow, display: element.display,
  };
  return hostRules(properties, (property, value) => {
    if (property === 'background') return BACKGROUND[value] ?? 'transparent';
    if (property === 'border-color') return value.split(/\s+/).map((part) => BORDER_COLOR[part] ?? part).join(' ');
    if (property === 'border-width') return value.split(/\s+/).map((part) => BORDER_WIDTH[part] ?? part).join(' ');
    if (property === 'border-radius') return value.split(/\s+/).map((part) => RADIUS[part] ?? part).join(' ');
    if (property.startsWith('padding')) return spaces(value);
    if (property === 'display') return value === 'auto' ? display : value;
    return value;
  });
}

function boxAria(element) {
  const role = element.accessibilityRole;
  if (role && role !== 'generic') element.setAttribute('role', ROLES[role] ?? role);
  if (element.accessibilityLabel) element.setAttribute('aria-label', element.accessibilityLabel);
  if (element.accessibilityVisibility === 'hidden') element.setAttribute('aria-hidden', 'true');
}

define('s-box', class Box extends PolarisElement {
  static props = BOX_PROPS;
  static styles = sheet(':host { display: block; }');
  update() {
    this.own.replaceSync(boxCss(this, 'block'));
    boxAria(this);
  }
});

define('s-stack', class Stack extends PolarisElement {
  static props = { ...BOX_PROPS, justifyContent: 'string', alignItems: 'string', alignContent: 'string', gap: 'string', rowGap: 'string', columnGap: 'string', direction: 'string' };
  static styles = sheet(':host { display: flex; flex-direction: column; } ::slotted(*) { min-inline-size: 0; }');
  update() {
    const properties = {
      'flex-direction': this.direction, 'justify-content': this.justifyContent, 'align-items': this.alignItems,
      'align-content': this.alignContent, gap: this.gap, 'row-gap': this.rowGap, 'column-gap': this.columnGap,
    };
    const css = hostRules(properties, (property, value) => {
      if (property === 'flex-direction') return value === 'inline' ? 'row; flex-wrap: wrap; align-items: ' + (this.alignItems || 'center') : 'column';
      if (property.endsWith('gap')) return spaces(value);
      return value.replace(/^(start|end)$/, 'flex-$1');
    });
    this.own.replaceSync(css + boxCss(this, 'flex'));
    boxAria(this);
  }
});

define('s-grid', class Grid extends PolarisElement {
  static props = {
    ...BOX_PROPS, alignItems: 'string', justifyItems: 'string', placeItems: 'string', alignContent: 'string', justifyContent: 'string',
    placeContent: 'string', gap: 'string', rowGap: 'string', columnGap: 'string', gridTemplateColumns: 'string', gridTemplateRows: 'string',
  };
  static styles = sheet(':host { display: grid; } ::slotted(*) { min-inline-size: 0; }');
  update() {
    const names = ['alignItems', 'justifyItems', 'placeItems', 'alignContent', 'justifyContent', 'placeContent', 'gap', 'rowGap', 'columnGap', 'gridTemplateColumns', 'gridTemplateRows'];
    const properties = Object.fromEntries(names.map((name) => [name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`), this[name]]));
    this.own.replaceSync(hostRules(properties, (property, value) => (property.endsWith('gap') ? spaces(value) : value)) + boxCss(this, 'grid'));
    boxAria(this);
  }
});

define('s-grid-item', class GridItem extends PolarisElement {
  static props = { ...BOX_PROPS, gridColumn: 'string', gridRow: 'string' };
  static styles = sheet(':host { display: block; min-inline-size: 0; }');
  update() {
    this.own.replaceSync(hostRules({ 'grid-column': this.gridColumn, 'grid-row': this.gridRow }, (_, value) => value) + boxCss(this, 'block'));
    boxAria(this);
  }
});

define('s-query-container', class QueryContainer extends PolarisElement {
  static props = { containerName: 'string' };
  static styles = sheet(':host { display: block; container-type: inline-size; }');
  update() {
    this.own.replaceSync(this.containerName ? `:host { container-name: ${CSS.escape(this.containerName)}; }` : '');
  }
});

define('s-divider', class Divider extends PolarisElement {
  static props = { direction: 'string', color: 'string' };
  static styles = sheet(`
    :host { display: block; border-block-start: 1px solid var(--p-color-border-secondary); }
    :host([color="strong"]) { border-color: var(--p-color-border); }
    :host([direction="block"]) { border-block-start: 0; border-inline-start: 1px solid var(--p-color-border-secondary); align-self: stretch; }
  `);
  build() {}
  update() {
    giveRole(this, 'separator');
  }
});

const hasContent = (slot) => slot.assignedElements({ flatten: true }).length > 0;

define('s-page', class Page extends PolarisElement {
  static props = { heading: 'string', inlineSize: 'string' };
  static styles = sheet(`
    :host { display: block; font-family: var(--p-font-family-sans); font-size: 0.8125rem; line-height: 1.25rem; font-weight: 450; color: var(--p-color-text); container-type: inline-size; }
    .page { max-inline-size: 62.375rem; margin: 0 auto; padding: 24px 24px 48px; }
    :host([inlinesize="small"]) .page { max-inline-size: 41.375rem; }
    :host([inlinesize="large"]) .page { max-inline-size: none; }
    header { display: flex; flex-wrap: wrap; align-items: center; gap: 8px 12px; margin-block-end: 16px; min-block-size: 28px; }
    header[hidden] { display: none; }
    h1 { margin: 0; font-size: 1.25rem; line-height: 1.5rem; font-weight: 650; letter-spacing: -0.0125rem; overflow-wrap: anywhere; }
    .titles { display: flex; align-items: center; gap: 8px; flex: 1 1 auto; min-inline-size: 0; }
    .actions { display: flex; gap: 8px; flex-wrap: wrap; }
    .body { display: grid; gap: 16px; grid-template-columns: minmax(0, 1fr); align-items: start; }
    .main, .aside { display: flex; flex-direction: column; gap: 16px; min-inline-size: 0; }
    .aside[hidden] { display: none; }
    @container (inline-size >= 48rem) { .body.two { grid-template-columns: minmax(0, 2fr) minmax(0, 1fr); } }
    @container (inline-size < 30.625rem) {
      .page { padding: 16px 0 32px; } header { padding-inline: 16px; }
    }
  `);
  build() {
    this.titleText = make('h1');
    this.actions = make('div', { class: 'actions' }, make('slot', { name: 'secondary-actions' }), make('slot', { name: 'primary-action' }));
    this.header = make('header', {}, make('slot', { name: 'breadcrumb-actions' }), make('div', { class: 'titles' }, this.titleText, make('slot', { name: 'supplemental-start' })), this.actions);
    this.asideSlot = make('slot', { name: 'aside' });
    this.aside = make('div', { class: 'aside', hidden: true }, this.asideSlot);
    this.body = make('div', { class: 'body' }, make('div', { class: 'main' }, make('slot')), this.aside);
    this.root.append(make('div', { class: 'page' }, this.header, this.body));
    this.asideSlot.addEventListener('slotchange', () => this.update());
  }
  update() {
    this.titleText.textContent = this.heading;
    this.header.hidden = !this.heading;
    const two = hasContent(this.asideSlot);
    this.aside.hidden = !two;
    this.body.classList.toggle('two', two);
  }
});

define('s-section', class Section extends PolarisElement {
  static props = { heading: 'string', subheading: 'string', padding: 'string', accessibilityLabel: 'string' };
  static styles = sheet(`
    :host { display: block; container-type: inline-size; }
    section { background: var(--p-color-bg-surface); border-radius: 12px; box-shadow: var(--p-shadow-100), 0 0 0 1px rgba(26, 26, 26, 0.05); overflow: clip; }
    .inside { padding: 16px; display: flex; flex-direction: column; gap: 12px; }
    :host([padding="none"]) .inside { padding: 0; gap: 0; }
    :host([padding="none"]) header { padding: 16px 16px 8px; }
    header { display: flex; align-items: flex-start; justify-content: space-between; gap: 8px; flex-wrap: wrap; }
    header[hidden] { display: none; }
    h2 { margin: 0; font-size: 0.875rem; line-height: 1.25rem; font-weight: 650; }
    p { margin: 2px 0 0; color: var(--p-color-text-secondary); } p[hidden] { display: none; }
    .actions { display: flex; gap: 8px; align-items: center; }
    :host([data-nested]) section { box-shadow: none; border-radius: 0; background: none; }
    :host([data-nested]) .inside { padding: 0; }
    @media (max-width: 30.625rem) { section { border-radius: 0; } }
  `);
  build() {
    this.titleText = make('h2');
    this.sub = make('p');
    this.slots = ['accessory', 'supplemental', 'secondary-actions', 'primary-action'].map((name) => make('slot', { name }));
    this.header = make('header', {}, make('div', {}, this.titleText, this.sub), make('div', { class: 'actions' }, ...this.slots));
    this.section = make('section', {}, make('div', { class: 'inside' }, make('slot', { name: 'graphic' }), this.header, make('slot')));
    this.root.append(this.section);
    for (const slot of this.slots) slot.addEventListener('slotchange', () => this.update());
  }
  update() {
    this.titleText.textContent = this.heading;
    this.titleText.hidden = !this.heading;
    this.sub.textContent = this.subheading;
    this.sub.hidden = !this.subheading;
    this.header.hidden = !this.heading && !this.subheading && !this.slots.some(hasContent);
    this.toggleAttribute('data-nested', Boolean(this.parentElement?.closest('s-section')));
    const label = this.accessibilityLabel || this.heading;
    if (label) this.section.setAttribute('aria-label', label);
    else this.section.removeAttribute('aria-label');
  }
});

define('s-scroll-box', class ScrollBox extends PolarisElement {
  static props = BOX_PROPS;
  static styles = sheet(':host { display: block; overflow: auto; }');
  update() {
    this.own.replaceSync(boxCss(this, 'block'));
    boxAria(this);
    if (!this.hasAttribute('tabindex')) this.tabIndex = 0;
  }
});
