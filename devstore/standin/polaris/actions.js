/* What one can press: button, link, clickable, button group. */

/* Which command an opener gives when it says only "--auto". */
const runCommand = (opener) => {
  if (!opener.commandFor) return;
  const target = opener.getRootNode().getElementById?.(opener.commandFor) || document.getElementById(opener.commandFor);
  if (!target) return;
  const command = opener.command || '--auto';
  if (command === '--copy') navigator.clipboard?.writeText(target.value ?? target.textContent);
  else if (command === '--show') target.showOverlay?.(opener);
  else if (command === '--hide') target.hideOverlay?.();
  else target.toggleOverlay?.(opener);
};

/** A left click on an internal link first offers the app the event `shopify:navigate`. */
function followLink(element, event) {
  const href = element.href;
  const self = !element.target || element.target === 'auto' || element.target === '_self';
  if (event.button > 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
  if (!self || !window.__devstoreNavigate || new URL(href, location.href).origin !== location.origin) return;
  event.preventDefault();
  window.__devstoreNavigate(element, href);
}

const PRESS_PROPS = {
  href: 'string', target: 'string', download: 'string', disabled: 'boolean', loading: 'boolean', type: 'string', name: 'string', value: 'string',
  commandFor: 'string', command: 'string', accessibilityLabel: 'string', interestFor: 'string',
};
const TARGETS = { auto: '', '_blank': '_blank', '_self': '_self', '_parent': '_parent', '_top': '_top' };

/** Shared by everything pressable: one inner <button> or <a>, form submission, commands. */
class Pressable extends PolarisElement {
  static props = PRESS_PROPS;
  static events = [];
  static formAssociated = true;
  static delegatesFocus = true;

  constructor() {
    super();
    this.internals = this.attachInternals();
    this.addEventListener('click', (event) => this.pressed_(event), { capture: false });
    this.addEventListener('click', (event) => {
      if (this.disabled || this.loading) {
        event.stopImmediatePropagation();
        event.preventDefault();
      }
    }, { capture: true });
  }
  pressed_(event) {
    if (event.defaultPrevented || this.disabled || this.loading) return;
    if (this.href) {
      if (event.composedPath()[0] === this) this.inner.click(); // element.click() from a script
      else followLink(this, event);
      return;
    }
    runCommand(this);
    const form = this.internals.form;
    if (form && this.type === 'submit') queueMicrotask(() => form.requestSubmit());
    if (form && this.type === 'reset') queueMicrotask(() => form.reset());
  }
  build() {
    this.label = make('span', { class: 'label' }, make('slot'));
    this.root.addEventListener('slotchange', () => this.fit());
    this.inner = null;
  }
  inside() {
    return [this.label];
  }
  /** Called when the words inside arrive or change. It must not move the slot, or it is called for ever. */
  fit() {}
  update() {
    const tag = this.href ? 'a' : 'button';
    if (this.inner?.localName !== tag) {
      const had = this.inner && this.root.activeElement === this.inner;
      const next = make(tag, tag === 'button' ? { type: 'button', class: 'inner' } : { class: 'inner' });
      if (this.inner) this.inner.replaceWith(next);
      else this.root.append(next);
      this.inner = next;
      if (had) next.focus();
    }
    this.inner.replaceChildren(...this.inside());
    if (tag === 'a') {
      this.inner.href = this.href;
      this.inner.target = TARGETS[this.target] ?? '';
      if (this.target === '_blank') this.inner.rel = 'noopener';
      if (this.hasAttribute('download')) this.inner.download = this.download;
      this.inner.toggleAttribute('aria-disabled', this.disabled);
    } else {
      this.inner.disabled = this.disabled;
      this.inner.setAttribute('aria-disabled', String(this.disabled || this.loading));
    }
    this.inner.toggleAttribute('aria-busy', this.loading);
    if (this.accessibilityLabel) this.inner.setAttribute('aria-label', this.accessibilityLabel);
    else this.inner.removeAttribute('aria-label');
  }
  focus(options) {
    this.inner?.focus(options);
  }
}

define('s-button', class Button extends Pressable {
  static props = { ...PRESS_PROPS, variant: 'string', tone: 'string', icon: 'string', inlineSize: 'string' };
  static styles = sheet(`
    :host { display: inline-flex; max-inline-size: 100%; } :host([inlinesize="fill"]) { display: flex; } :host([inlinesize="fill"]) .inner { inline-size: 100%; }
    .inner { position: relative; display: inline-flex; align-items: center; justify-content: center; gap: 4px; min-block-size: 28px; padding: 4px 12px; border: 0; border-radius: 8px; cursor: pointer;
      font-family: var(--p-font-family-sans); font-size: 0.75rem; line-height: 1rem; font-weight: 550; text-decoration: none; user-select: none;
      color: var(--p-color-text); background: var(--p-color-bg-fill); box-shadow: var(--p-shadow-button); }
    .inner:hover { background: var(--p-color-bg-fill-hover); } .inner:active { background: var(--p-color-bg-fill-active); box-shadow: var(--p-shadow-button-inset); }
    .inner.icon-only { padding: 4px; min-inline-size: 28px; }
    :host([variant="primary"]) .inner { color: #fff; background: var(--p-color-button-gradient-bg-fill), var(--p-color-bg-fill-brand); box-shadow: var(--p-shadow-button-primary); }
    :host([variant="primary"]) .inner:hover { background: var(--p-color-button-gradient-bg-fill), var(--p-color-bg-fill-brand-hover); }
    :host([variant="primary"]) .inner:active { box-shadow: var(--p-shadow-button-primary-inset); }
    :host([variant="tertiary"]) .inner { background: transparent; box-shadow: none; } :host([variant="tertiary"]) .inner:hover { background: var(--p-color-bg-fill-transparent-hover); }
    :host([tone="critical"]) .inner { color: var(--p-color-text-critical); }
    :host([tone="critical"][variant="primary"]) .inner { color: #fff; background: var(--p-color-button-gradient-bg-fill), var(--p-color-bg-fill-critical); box-shadow: var(--p-shadow-button-primary-critical); }
    :host([disabled]) .inner { color: var(--p-color-text-disabled); background: var(--p-color-bg-fill-disabled); box-shadow: none; cursor: default; }
    :host([disabled][variant="primary"]) .inner { color: var(--p-color-text-brand-on-bg-fill-disabled); background: var(--p-color-bg-fill-brand-disabled); }
    :host([loading]) .label { visibility: hidden; }
    .label { display: inline-flex; align-items: center; min-inline-size: 0; overflow-wrap: break-word; }
    .spin { position: absolute; inset: 0; margin: auto; inline-size: 16px; block-size: 16px; border: 2px solid currentColor; border-inline-end-color: transparent; border-radius: 50%; animation: turn 0.6s linear infinite; opacity: 0.7; }
    @keyframes turn { to { transform: rotate(1turn); } }
    @media (pointer: coarse) { .inner { min-block-size: 32px; } }
  `);
  inside() {
    const parts = [];
    if (this.icon) parts.push(drawIcon(this.icon, 16));
    parts.push(this.label);
    if (this.loading) parts.push(make('span', { class: 'spin', 'aria-hidden': 'true' }));
    return parts;
  }
  fit() {
    this.inner?.classList.toggle('icon-only', Boolean(this.icon) && !this.textContent.trim());
  }
  update() {
    super.update();
    this.fit();
  }
});

define('s-press-button', class PressButton extends customElements.get('s-button') {
  static props = { ...customElements.get('s-button').props, pressed: 'boolean', defaultPressed: 'boolean' };
  static styles = [customElements.get('s-button').styles, sheet(':host([pressed]) .inner { background: var(--p-color-bg-fill-selected); }')];
  pressed_(event) {
    this.pressed = !this.pressed;
    super.pressed_(event);
  }
  update() {
    super.update();
    this.inner.setAttribute('aria-pressed', String(this.pressed));
  }
});

define('s-link', class Link extends Pressable {
  static props = { ...PRESS_PROPS, tone: 'string', rel: 'string' };
  static styles = sheet(`
    :host { display: inline; }
    .inner { all: unset; cursor: pointer; color: var(--p-color-text-link); text-decoration: underline; text-underline-offset: 2px; border-radius: 4px; }
    .inner:hover { color: var(--p-color-text-link-hover); text-decoration: none; } .inner:focus-visible { outline: 2px solid var(--p-color-border-focus); outline-offset: 1px; }
    :host([tone="critical"]) .inner { color: var(--p-color-text-critical); } :host([tone="neutral"]) .inner { color: inherit; }
  `);
});

define('s-clickable', class Clickable extends Pressable {
  static props = { ...PRESS_PROPS, ...BOX_PROPS };
  static styles = sheet(`
    :host { display: block; }
    .inner { all: unset; display: block; box-sizing: border-box; inline-size: 100%; block-size: 100%; cursor: pointer; border-radius: inherit; }
    .inner:hover { background: var(--p-color-bg-surface-hover); } .inner:focus-visible { outline: 2px solid var(--p-color-border-focus); outline-offset: 1px; }
    .inner[disabled] { cursor: default; opacity: 0.5; } .label { display: block; }
  `);
  update() {
    super.update();
    this.own.replaceSync(boxCss(this, 'block'));
  }
});

define('s-clickable-chip', class ClickableChip extends Pressable {
  static props = { ...PRESS_PROPS, color: 'string', removable: 'boolean' };
  static styles = sheet('.inner { all: unset; cursor: pointer; display: inline-flex; padding: 2px 8px; border-radius: 8px; background: var(--p-color-bg-fill-tertiary); font-size: 0.75rem; line-height: 1.25rem; } .inner:focus-visible { outline: 2px solid var(--p-color-border-focus); }');
});

define('s-button-group', class ButtonGroup extends PolarisElement {
  static props = { accessibilityLabel: 'string', gap: 'string' };
  static styles = sheet(':host { display: inline-flex; flex-wrap: wrap; gap: 8px; } :host([gap="none"]) { gap: 1px; }');
  build() {
    this.root.append(make('slot'), make('slot', { name: 'secondary-actions' }), make('slot', { name: 'primary-action' }));
  }
  update() {
    giveRole(this, 'group');
    if (this.accessibilityLabel) this.setAttribute('aria-label', this.accessibilityLabel);
  }
});
