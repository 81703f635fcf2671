/* Words: heading, paragraph, text, number, badge, chip, lists. */

const fontCss = (element) => {
  let css = '';
  if (FONT_SIZE[element.fontSize]) css += `font-size: ${FONT_SIZE[element.fontSize]}; line-height: 1.4;`;
  if (FONT_WEIGHT[element.fontWeight]) css += `font-weight: ${FONT_WEIGHT[element.fontWeight]};`;
  if (element.color === 'subdued') css += 'color: var(--p-color-text-secondary);';
  if (TONE_TEXT[element.tone]) css += `color: ${TONE_TEXT[element.tone]};`;
  if (element.fontVariantNumeric && element.fontVariantNumeric !== 'auto') css += `font-variant-numeric: ${element.fontVariantNumeric};`;
  if (element.lineClamp) css += `display: -webkit-box; -webkit-line-clamp: ${Number(element.lineClamp) || 1}; -webkit-box-orient: vertical; overflow: hidden;`;
  return css;
};
const TEXT_PROPS = {
  color: 'string', tone: 'string', fontSize: 'string', fontWeight: 'string', fontVariantNumeric: 'string',
  accessibilityVisibility: 'string', lineClamp: 'number', type: 'string', interestFor: 'string',
};
const ONLY_READ = ':host([accessibilityvisibility="exclusive"]) { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }';

class Words extends PolarisElement {
  static props = TEXT_PROPS;
  update() {
    this.own.replaceSync(`:host { ${fontCss(this)} }`);
    if (this.accessibilityVisibility === 'hidden') this.setAttribute('aria-hidden', 'true');
  }
}

define('s-heading', class Heading extends Words {
  static props = { fontSize: 'string', accessibilityRole: 'string', accessibilityVisibility: 'string', lineClamp: 'number' };
  static styles = sheet(`:host { display: block; font-size: 0.875rem; line-height: 1.25rem; font-weight: 650; color: var(--p-color-text); } ${ONLY_READ}`);
  update() {
    super.update();
    if (this.accessibilityRole && this.accessibilityRole !== 'heading') return;
    giveRole(this, 'heading');
    if (!this.hasAttribute('aria-level')) {
      let level = 2;
      for (let at = this.parentElement; at; at = at.parentElement) if (at.localName === 's-section') level += 1;
      this.setAttribute('aria-level', String(Math.min(level, 6)));
    }
  }
});

define('s-paragraph', class Paragraph extends Words {
  static styles = sheet(`:host { display: block; overflow-wrap: anywhere; } ${ONLY_READ}`);
  update() {
    super.update();
    giveRole(this, 'paragraph');
  }
});

define('s-text', class Text extends Words {
  static styles = sheet(`:host { display: inline; } :host([type="strong"]) { font-weight: 650; } :host([type="redundant"]) { text-decoration: line-through; } :host([type="address"]) { font-style: normal; } ${ONLY_READ}`);
});

define('s-number', class NumberText extends Words {
  static styles = sheet(`:host { display: inline; font-variant-numeric: tabular-nums; } ${ONLY_READ}`);
});

define('s-badge', class Badge extends PolarisElement {
  static props = { tone: 'string', color: 'string', icon: 'string', size: 'string' };
  static styles = sheet(`
    :host { display: inline-flex; vertical-align: middle; }
    span { display: inline-flex; align-items: center; gap: 2px; padding: 2px 8px; border-radius: 8px; font-size: 0.75rem; line-height: 1rem; font-weight: 550; white-space: nowrap;
      background: var(--p-color-bg-fill-transparent-secondary); color: var(--p-color-text-secondary); }
    :host([tone="info"]) span { background: var(--p-color-bg-fill-info-secondary); color: var(--p-color-text-info); }
    :host([tone="success"]) span { background: var(--p-color-bg-fill-success-secondary); color: var(--p-color-text-success); }
    :host([tone="caution"]) span { background: var(--p-color-bg-fill-caution-secondary); color: var(--p-color-text-caution); }
    :host([tone="warning"]) span { background: var(--p-color-bg-fill-warning-secondary); color: var(--p-color-text-warning); }
    :host([tone="critical"]) span { background: var(--p-color-bg-fill-critical-secondary); color: var(--p-color-text-critical); }
    :host([color="strong"][tone="success"]) span { background: var(--p-color-bg-fill-success); color: #fff; }
    :host([color="strong"][tone="critical"]) span { background: var(--p-color-bg-fill-critical); color: #fff; }
    :host([size="large"]) span, :host([size="large-100"]) span { padding: 4px 10px; font-size: 0.8125rem; }
  `);
  build() {
    this.graphic = make('span', { class: 'graphic', style: 'all: unset; display: contents' });
    this.root.append(make('span', {}, this.graphic, make('slot')));
  }
  update() {
    this.graphic.replaceChildren(...(this.icon ? [drawIcon(this.icon, 14)] : []));
  }
});

define('s-chip', class Chip extends PolarisElement {
  static props = { color: 'string', accessibilityLabel: 'string', removable: 'boolean' };
  static events = ['remove'];
  static styles = sheet(`
    :host { display: inline-flex; }
    .chip { display: inline-flex; align-items: center; gap: 4px; padding: 2px 8px; border-radius: 8px; background: var(--p-color-bg-fill-tertiary); font-size: 0.75rem; line-height: 1.25rem; }
    :host([color="subdued"]) .chip { background: var(--p-color-bg-fill-secondary); }
    button { all: unset; cursor: pointer; display: inline-flex; border-radius: 4px; } button[hidden] { display: none; }
  `);
  build() {
    this.close = make('button', { type: 'button' }, drawIcon('x', 14));
    this.close.addEventListener('click', () => this.emit('remove'));
    this.root.addEventListener('slotchange', () => this.update());
    this.root.append(make('span', { class: 'chip' }, make('slot', { name: 'graphic' }), make('slot'), this.close));
  }
  update() {
    this.close.hidden = !this.removable;
    this.close.setAttribute('aria-label', `Remove ${this.accessibilityLabel || this.textContent.trim()}`);
    if (this.accessibilityLabel) this.setAttribute('aria-label', this.accessibilityLabel);
  }
});

class List extends PolarisElement {
  static styles = sheet(':host { display: block; padding-inline-start: 20px; counter-reset: item; } ::slotted(*) { margin-block: 4px; }');
  update() {
    giveRole(this, 'list');
  }
}
define('s-unordered-list', class UnorderedList extends List {});
define('s-ordered-list', class OrderedList extends List {});
define('s-list-item', class ListItem extends PolarisElement {
  static styles = sheet(':host { display: list-item; list-style: disc outside; }');
  update() {
    giveRole(this, 'listitem');
    this.style.listStyleType = this.parentElement?.localName === 's-ordered-list' ? 'decimal' : 'disc';
  }
});
