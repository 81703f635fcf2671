/* What opens above the page: modal, popover, menu, tooltip. */

const OVERLAY_EVENTS = ['show', 'hide', 'aftershow', 'afterhide', 'toggle', 'aftertoggle'];

const FOCUSABLE = 'a[href], button, input, select, textarea, s-button, s-link[href], s-clickable, s-text-field, s-text-area, s-number-field, s-select, s-checkbox, s-switch, s-choice, s-search-field, s-date-field, [tabindex="0"]';

/*
 * The modal uses the platform's own <dialog>: top layer, inert page behind it, Escape closes, focus returned
 * to where it was. Inside an iframe a dialog lets Tab escape to the frame around it, hence the two guards.
 */
define('s-modal', class Modal extends PolarisElement {
  static props = { heading: 'string', size: 'string', padding: 'string', accessibilityLabel: 'string' };
  static events = OVERLAY_EVENTS;
  static styles = sheet(`
    :host { display: contents; }
    dialog { border: 0; padding: 0; margin: auto; inline-size: min(38.75rem, calc(100vw - 32px)); max-block-size: calc(100dvh - 64px); border-radius: 16px; color: var(--p-color-text); background: var(--p-color-bg-surface);
      box-shadow: var(--p-shadow-600); font-family: var(--p-font-family-sans); font-size: 0.8125rem; line-height: 1.25rem; overflow: hidden; }
    dialog[open] { display: flex; flex-direction: column; }
    :host([size="small"]) dialog, :host([size="small-100"]) dialog { inline-size: min(27.5rem, calc(100vw - 32px)); } :host([size="large"]) dialog, :host([size="large-100"]) dialog { inline-size: min(61rem, calc(100vw - 32px)); }
    dialog::backdrop { background: rgba(0, 0, 0, 0.5); }
    header { display: flex; align-items: center; justify-content: space-between; gap: 12px; padding: 12px 16px; background: var(--p-color-bg-surface-tertiary); border-block-end: 1px solid var(--p-color-border); }
    h2 { margin: 0; font-size: 0.875rem; font-weight: 650; } header button { all: unset; cursor: pointer; display: grid; place-items: center; inline-size: 28px; block-size: 28px; border-radius: 8px; }
    header button:hover { background: var(--p-color-bg-fill-transparent-hover); } header button:focus-visible { outline: 2px solid var(--p-color-border-focus); }
    .body { padding: 16px; overflow: auto; } :host([padding="none"]) .body { padding: 0; }
    footer { display: flex; justify-content: flex-end; gap: 8px; padding: 12px 16px; border-block-start: 1px solid var(--p-color-border-secondary); flex-wrap: wrap; } footer[hidden] { display: none; }
    @media (max-width: 30.625rem) { dialog { inline-size: 100vw; max-inline-size: 100vw; margin-block-end: 0; border-end-start-radius: 0; border-end-end-radius: 0; } }
  `);
  build() {
    this.headingText = make('h2', { id: 'heading' });
    const close = make('button', { type: 'button', 'aria-label': 'Close' }, drawIcon('x'));
    close.addEventListener('click', () => this.hideOverlay());
    this.slots = [make('slot', { name: 'secondary-actions' }), make('slot', { name: 'primary-action' })];
    this.footer = make('footer', { hidden: true }, ...this.slots);
    this.slots.forEach((slot) => slot.addEventListener('slotchange', () => { this.footer.hidden = !this.slots.some(hasContent); }));
    this.bodySlot = make('slot');
    const guards = [make('span', { tabindex: '0' }), make('span', { tabindex: '0' })];
    guards[0].addEventListener('focus', () => this.lastInside(close).focus());
    guards[1].addEventListener('focus', () => close.focus());
    this.dialog = make('dialog', { 'aria-labelledby': 'heading' }, guards[0], make('header', {}, this.headingText, close), make('div', { class: 'body' }, this.bodySlot), this.footer, guards[1]);
    this.dialog.addEventListener('cancel', (event) => {
      event.preventDefault();
      event.stopPropagation();
      this.hideOverlay();
    });
    this.dialog.addEventListener('click', (event) => {
      if (event.target === this.dialog) this.hideOverlay(); // the backdrop
    });
    this.root.append(this.dialog);
  }
  update() {
    this.headingText.textContent = this.heading;
    if (this.accessibilityLabel) {
      this.dialog.setAttribute('aria-label', this.accessibilityLabel);
      this.dialog.removeAttribute('aria-labelledby');
    }
  }
  firstField() {
    return this.querySelector('s-text-field, s-text-area, s-number-field, s-select, s-search-field');
  }
  lastInside(otherwise) {
    const all = [this.bodySlot, ...this.slots].flatMap((slot) => slot.assignedElements({ flatten: true }));
    const found = all.flatMap((element) => [element, ...element.querySelectorAll('*')]);
    return found.filter((element) => element.matches(FOCUSABLE) && !element.hasAttribute('disabled')).at(-1) || otherwise;
  }
  get open() {
    return this.dialog.open;
  }
  showOverlay() {
    if (this.dialog.open) return;
    this.opener = document.activeElement;
    this.emit('show', { bubbles: false });
    this.dialog.showModal();
    (this.firstField() || this.lastInside(this.dialog)).focus();
    this.emit('aftershow', { bubbles: false });
  }
  hideOverlay() {
    if (!this.dialog.open) return;
    this.emit('hide', { bubbles: false });
    this.dialog.close();
    this.opener?.focus?.();
    this.emit('afterhide', { bubbles: false });
  }
  toggleOverlay() {
    return this.dialog.open ? this.hideOverlay() : this.showOverlay();
  }
  disconnectedCallback() {
    if (this.dialog.open) this.dialog.close();
  }
});

/* Popovers stand in the top layer too, placed under their opener and kept inside the window. */
class Floating extends PolarisElement {
  static events = OVERLAY_EVENTS;
  static role = 'dialog';
  build() {
    this.panel = make('div', { class: 'panel', popover: 'auto', role: this.constructor.role, tabindex: '-1' }, make('slot'));
    this.panel.addEventListener('toggle', (event) => {
      const opens = event.newState === 'open';
      this.emit(opens ? 'aftershow' : 'afterhide', { bubbles: false });
      this.emit('aftertoggle', { bubbles: false });
      this.opener?.inner?.setAttribute('aria-expanded', String(opens));
      if (!opens && this.panel.contains(document.activeElement)) this.opener?.focus?.();
    });
    this.root.append(this.panel);
  }
  showOverlay(opener) {
    this.opener = opener || this.opener;
    this.emit('show', { bubbles: false });
    this.panel.showPopover();
    const at = (this.opener || document.body).getBoundingClientRect();
    const own = this.panel.getBoundingClientRect();
    const below = at.bottom + 4 + own.height <= innerHeight || at.top < own.height + 4;
    this.panel.style.left = `${Math.max(8, Math.min(at.left, innerWidth - own.width - 8))}px`;
    this.panel.style.top = `${below ? at.bottom + 4 : at.top - own.height - 4}px`;
    this.firstItem()?.focus();
  }
  hideOverlay() {
    this.emit('hide', { bubbles: false });
    this.panel.hidePopover();
  }
  toggleOverlay(opener) {
    return this.panel.matches(':popover-open') ? this.hideOverlay() : this.showOverlay(opener);
  }
  firstItem() {
    return this.panel;
  }
}
const PANEL_STYLE = `
  :host { display: contents; }
  .panel { position: fixed; inset: auto; margin: 0; border: 0; padding: 0; min-inline-size: 160px; max-inline-size: calc(100vw - 16px); border-radius: 12px; background: var(--p-color-bg-surface); color: var(--p-color-text);
    box-shadow: var(--p-shadow-400), 0 0 0 1px rgba(26, 26, 26, 0.06); font-family: var(--p-font-family-sans); font-size: 0.8125rem; line-height: 1.25rem; overflow: auto; }
`;

define('s-popover', class Popover extends Floating {
  static props = { inlineSize: 'string', maxInlineSize: 'string', minInlineSize: 'string', maxBlockSize: 'string' };
  static styles = sheet(PANEL_STYLE);
  update() {
    for (const name of ['inlineSize', 'maxInlineSize', 'minInlineSize', 'maxBlockSize']) if (this[name]) this.panel.style[name] = this[name];
  }
});

define('s-menu', class Menu extends Floating {
  static props = { accessibilityLabel: 'string' };
  static role = 'menu';
  static styles = sheet(`${PANEL_STYLE} .panel { padding: 6px; } ::slotted(*) { display: flex !important; inline-size: 100%; }`);
  build() {
    super.build();
    this.addEventListener('click', (event) => event.target !== this && this.hideOverlay());
    this.addEventListener('keydown', (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const items = this.items();
      const at = items.indexOf(document.activeElement);
      items[(at + step + items.length) % items.length]?.focus();
    });
  }
  items() {
    return [...this.querySelectorAll('s-button:not([disabled]), s-link')];
  }
  firstItem() {
    return this.items()[0] || this.panel;
  }
  update() {
    if (this.accessibilityLabel) this.panel.setAttribute('aria-label', this.accessibilityLabel);
    for (const item of this.querySelectorAll('s-button')) {
      if (!item.hasAttribute('variant')) item.setAttribute('variant', 'tertiary');
      giveRole(item, 'presentation');
      item.inner?.setAttribute('role', 'menuitem');
    }
  }
  showOverlay(opener) {
    this.update();
    super.showOverlay(opener);
  }
});

/* A tooltip belongs to whatever names it by interestFor. */
define('s-tooltip', class Tooltip extends PolarisElement {
  static styles = sheet(`
    :host { display: contents; }
    .tip { position: fixed; inset: auto; margin: 0; border: 0; padding: 4px 8px; max-inline-size: 220px; border-radius: 8px; background: var(--p-color-bg-surface); color: var(--p-color-text); box-shadow: var(--p-shadow-300), 0 0 0 1px rgba(26, 26, 26, 0.06); font-family: var(--p-font-family-sans); font-size: 0.75rem; line-height: 1rem; pointer-events: none; }
  `);
  build() {
    this.tip = make('div', { class: 'tip', popover: 'manual', role: 'tooltip' }, make('slot'));
    this.root.append(this.tip);
  }
  connectedCallback() {
    super.connectedCallback();
    queueMicrotask(() => this.attach());
  }
  attach() {
    const opener = this.id && document.querySelector(`[interestfor="${CSS.escape(this.id)}"]`);
    if (!opener || opener.hasTooltip === this) return;
    opener.hasTooltip = this;
    const show = () => {
      this.tip.showPopover();
      const at = opener.getBoundingClientRect();
      this.tip.style.left = `${Math.max(8, Math.min(at.left, innerWidth - this.tip.offsetWidth - 8))}px`;
      this.tip.style.top = `${at.bottom + 6}px`;
    };
    const hide = () => this.tip.matches(':popover-open') && this.tip.hidePopover();
    if (opener.localName === 's-icon' || opener.localName === 's-text') opener.tabIndex = 0;
    opener.setAttribute('aria-description', this.textContent.trim());
    for (const name of ['mouseenter', 'focusin']) opener.addEventListener(name, show);
    for (const name of ['mouseleave', 'focusout']) opener.addEventListener(name, hide);
    opener.addEventListener('keydown', (event) => event.key === 'Escape' && hide());
  }
});
