/* What the page says back: banner, spinner, progress, empty state; and pictures. */

define('s-banner', class Banner extends PolarisElement {
  static props = { tone: 'string', heading: 'string', dismissible: 'boolean' };
  static events = ['dismiss', 'afterhide'];
  static styles = sheet(`
    :host { display: block; }
    .banner { border-radius: 12px; overflow: hidden; background: var(--p-color-bg-surface); box-shadow: var(--p-shadow-100), 0 0 0 1px rgba(26, 26, 26, 0.06); }
    .bar { display: flex; align-items: center; gap: 6px; padding: 10px 12px; font-weight: 650; background: var(--p-color-bg-fill-info); color: var(--p-color-text-info-on-bg-fill); }
    .bar[hidden] { display: none; } .bar span { flex: 1; min-inline-size: 0; overflow-wrap: anywhere; }
    :host([tone="success"]) .bar { background: var(--p-color-bg-fill-success); color: var(--p-color-text-success-on-bg-fill); }
    :host([tone="warning"]) .bar, :host([tone="caution"]) .bar { background: var(--p-color-bg-fill-warning); color: var(--p-color-text-warning-on-bg-fill); }
    :host([tone="critical"]) .bar { background: var(--p-color-bg-fill-critical); color: var(--p-color-text-critical-on-bg-fill); }
    .body { display: flex; gap: 8px; padding: 12px; } .words { flex: 1; min-inline-size: 0; } .actions { display: flex; gap: 8px; margin-block-start: 8px; } .actions[hidden] { display: none; }
    button { all: unset; cursor: pointer; display: grid; place-items: center; inline-size: 24px; block-size: 24px; border-radius: 6px; } button:focus-visible { outline: 2px solid currentColor; } button[hidden] { display: none; }
  `);
  build() {
    this.bar = make('div', { class: 'bar' });
    this.close = make('button', { type: 'button', 'aria-label': 'Dismiss' }, drawIcon('x', 16));
    this.close.addEventListener('click', () => {
      this.emit('dismiss');
      this.hidden = true;
      this.emit('afterhide');
    });
    this.actionSlot = make('slot', { name: 'secondary-actions' });
    this.actions = make('div', { class: 'actions', hidden: true }, this.actionSlot);
    this.actionSlot.addEventListener('slotchange', () => { this.actions.hidden = !hasContent(this.actionSlot); });
    this.body = make('div', { class: 'body' }, make('div', { class: 'words' }, make('slot'), this.actions));
    this.root.append(make('div', { class: 'banner' }, this.bar, this.body));
  }
  update() {
    const icon = { critical: 'alert-circle', warning: 'alert-triangle', caution: 'alert-triangle', success: 'check-circle' }[this.tone] || 'info';
    this.close.hidden = !this.dismissible;
    this.bar.hidden = !this.heading;
    if (this.heading) this.bar.replaceChildren(drawIcon(icon), make('span', {}, this.heading), this.close);
    else this.body.append(this.close);
    giveRole(this, this.tone === 'critical' || this.tone === 'warning' ? 'alert' : 'status');
  }
});

define('s-spinner', class Spinner extends PolarisElement {
  static props = { size: 'string', accessibilityLabel: 'string' };
  static styles = sheet(`
    :host { display: inline-flex; } i { inline-size: 20px; block-size: 20px; border: 2.5px solid var(--p-color-bg-fill-tertiary); border-block-start-color: var(--p-color-icon); border-radius: 50%; animation: turn 0.6s linear infinite; }
    :host([size="large"]) i { inline-size: 32px; block-size: 32px; } :host([size="large-100"]) i { inline-size: 44px; block-size: 44px; border-width: 4px; } @keyframes turn { to { transform: rotate(1turn); } }
  `);
  build() {
    this.words = make('span', { class: 'only-read' });
    this.root.append(make('i', { 'aria-hidden': 'true' }), this.words);
  }
  update() {
    giveRole(this, 'status');
    this.words.textContent = this.accessibilityLabel || 'Loading';
  }
});

define('s-progress', class Progress extends PolarisElement {
  static props = { value: 'number', max: 'number', tone: 'string', accessibilityLabel: 'string' };
  static styles = sheet(`
    :host { display: block; } .track { block-size: 8px; border-radius: 4px; background: var(--p-color-bg-fill-tertiary); overflow: hidden; }
    .fill { block-size: 100%; border-radius: inherit; background: var(--p-color-bg-fill-brand); transition: inline-size 0.3s; }
    :host([tone="success"]) .fill { background: var(--p-color-bg-fill-success); } :host([tone="critical"]) .fill { background: var(--p-color-bg-fill-critical); } :host([tone="info"]) .fill { background: var(--p-color-bg-fill-emphasis); }
    .fill.unknown { inline-size: 30% !important; animation: slide 1.2s ease-in-out infinite alternate; } @keyframes slide { to { margin-inline-start: 70%; } }
  `);
  build() {
    this.fill = make('div', { class: 'fill' });
    this.root.append(make('div', { class: 'track' }, this.fill));
  }
  update() {
    giveRole(this, 'progressbar');
    const max = this.max ?? 1;
    const known = this.value !== undefined;
    this.fill.classList.toggle('unknown', !known);
    this.fill.style.inlineSize = `${Math.max(0, Math.min(100, ((this.value ?? 0) / max) * 100))}%`;
    this.setAttribute('aria-valuemin', '0');
    this.setAttribute('aria-valuemax', String(max));
    if (known) this.setAttribute('aria-valuenow', String(this.value));
    else this.removeAttribute('aria-valuenow');
    if (this.accessibilityLabel) this.setAttribute('aria-label', this.accessibilityLabel);
  }
});

define('s-empty-state', class EmptyState extends PolarisElement {
  static props = { heading: 'string' };
  static styles = sheet(`
    :host { display: block; } .empty { display: flex; flex-direction: column; align-items: center; gap: 8px; padding: 40px 16px; text-align: center; }
    h2 { margin: 0; font-size: 0.875rem; font-weight: 650; } .sub, .words { color: var(--p-color-text-secondary); max-inline-size: 26rem; } .actions { display: flex; gap: 8px; flex-wrap: wrap; justify-content: center; }
  `);
  build() {
    this.headingText = make('h2');
    this.root.append(make('div', { class: 'empty' }, make('slot', { name: 'graphic' }), this.headingText, make('div', { class: 'sub' }, make('slot', { name: 'subheading' })), make('div', { class: 'words' }, make('slot')), make('div', { class: 'actions' }, make('slot', { name: 'secondary-actions' }), make('slot', { name: 'primary-action' }))));
  }
  update() {
    this.headingText.textContent = this.heading;
    this.headingText.hidden = !this.heading;
  }
});

const SIDES = { 'small-200': 24, 'small-100': 32, small: 36, base: 40, large: 60, 'large-100': 80, 'large-200': 100 };

class Picture extends PolarisElement {
  static events = ['load', 'error'];
  build() {
    this.image = make('img');
    this.image.addEventListener('load', () => this.emit('load', { bubbles: false }));
    this.image.addEventListener('error', () => this.emit('error', { bubbles: false }));
    this.root.append(this.image);
  }
  update() {
    this.image.alt = this.alt;
    if (this.image.getAttribute('src') !== this.src) {
      if (this.src) this.image.src = this.src;
      else this.image.removeAttribute('src');
    }
  }
}

define('s-image', class Image extends Picture {
  static props = { src: 'string', alt: 'string', srcSet: 'string', sizes: 'string', loading: 'string', aspectRatio: 'string', objectFit: 'string', inlineSize: 'string', borderRadius: 'string', accessibilityRole: 'string', border: 'string', borderColor: 'string', borderWidth: 'string', borderStyle: 'string' };
  static styles = sheet(':host { display: block; } img { display: block; max-inline-size: 100%; }');
  update() {
    this.image.loading = this.loading === 'lazy' ? 'lazy' : 'eager';
    if (this.srcSet) this.image.srcset = this.srcSet;
    if (this.sizes) this.image.sizes = this.sizes;
    super.update();
    const fill = this.inlineSize === 'auto' ? '' : 'inline-size: 100%;';
    this.own.replaceSync(`img { ${fill} ${this.aspectRatio ? `aspect-ratio: ${this.aspectRatio};` : ''} object-fit: ${this.objectFit || 'contain'}; border-radius: ${RADIUS[this.borderRadius] || '0'}; }`);
  }
});

define('s-thumbnail', class Thumbnail extends Picture {
  static props = { src: 'string', alt: 'string', size: 'string' };
  static styles = sheet(':host { display: inline-block; } img { display: block; object-fit: cover; border-radius: 8px; border: 1px solid var(--p-color-border); background: var(--p-color-bg-surface-secondary); }');
  update() {
    super.update();
    const side = SIDES[this.size] || SIDES.base;
    this.own.replaceSync(`img { inline-size: ${side}px; block-size: ${side}px; }`);
  }
});

define('s-avatar', class Avatar extends Picture {
  static props = { src: 'string', alt: 'string', initials: 'string', size: 'string' };
  static styles = sheet(':host { display: inline-flex; align-items: center; justify-content: center; overflow: hidden; border-radius: 8px; background: var(--p-color-avatar-one-bg-fill); color: var(--p-color-avatar-one-text-on-bg-fill); font-size: 0.75rem; font-weight: 650; } img { inline-size: 100%; block-size: 100%; object-fit: cover; } img:not([src]) { display: none; }');
  build() {
    super.build();
    this.letters = make('span', { 'aria-hidden': 'true' });
    this.root.append(this.letters);
  }
  update() {
    super.update();
    const side = (SIDES[this.size] || SIDES.base) * 0.8;
    this.own.replaceSync(`:host { inline-size: ${side}px; block-size: ${side}px; }`);
    this.letters.textContent = this.src ? '' : this.initials;
    giveRole(this, 'img');
    if (this.alt) this.setAttribute('aria-label', this.alt);
  }
});
