/* Form fields. Each wraps one native control, takes part in native forms, and fires real input/change. */

const FIELD_PROPS = {
  label: 'string', name: 'string', value: 'string', defaultValue: 'string', details: 'string', error: 'string', required: 'boolean',
  disabled: 'boolean', readOnly: 'boolean', placeholder: 'string', labelAccessibilityVisibility: 'string', autocomplete: 'string',
};
const FIELD_STYLE = sheet(`
  :host { display: block; inline-size: 100%; }
  .field { display: flex; flex-direction: column; gap: 4px; }
  label { font-size: 0.8125rem; line-height: 1.25rem; } label .star { color: var(--p-color-text-critical); }
  .frame { display: flex; align-items: center; gap: 6px; min-block-size: 32px; padding-inline: 12px; border: 0.66px solid var(--p-color-input-border); border-radius: 8px; background: var(--p-color-input-bg-surface); }
  .frame:hover { border-color: var(--p-color-input-border-hover); background: var(--p-color-input-bg-surface-hover); }
  .frame:focus-within { border-color: var(--p-color-input-border-active); outline: 2px solid var(--p-color-border-focus); outline-offset: 1px; }
  .control { flex: 1; min-inline-size: 0; inline-size: 100%; padding: 6px 0; border: 0; background: transparent; font: inherit; font-size: 0.8125rem; line-height: 1.25rem; color: var(--p-color-text); outline: none; }
  textarea.control { resize: vertical; } select.control { appearance: none; cursor: pointer; }
  .control::placeholder { color: var(--p-color-text-secondary); }
  .affix { color: var(--p-color-text-secondary); white-space: nowrap; } .affix:empty { display: none; }
  .details { color: var(--p-color-text-secondary); font-size: 0.75rem; line-height: 1rem; }
  .error { display: flex; gap: 4px; align-items: flex-start; color: var(--p-color-text-critical); font-size: 0.8125rem; } .error[hidden], .details[hidden] { display: none; }
  :host([error]:not([error=""])) .frame { border-color: var(--p-color-border-critical-secondary); background: var(--p-color-bg-surface-critical); }
  :host([disabled]) .frame { background: var(--p-color-bg-surface-disabled); border-color: transparent; } :host([disabled]) .control { color: var(--p-color-text-disabled); cursor: default; }
`);

class Field extends PolarisElement {
  static props = FIELD_PROPS;
  static events = ['change', 'input', 'invalid'];
  static styles = FIELD_STYLE;
  static formAssociated = true;
  static delegatesFocus = true;

  constructor() {
    super();
    this.internals = this.attachInternals();
    this.control.addEventListener('input', () => this.take());
    this.control.addEventListener('change', () => {
      this.take();
      this.emit('change'); // a native change stops at the shadow root; input crosses it by itself
    });
    this.control.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && this.control.localName === 'input') this.internals.form?.requestSubmit();
    });
  }
  makeControl() {
    return make('input', { type: 'text' });
  }
  build() {
    this.dirty = false;
    this.control = this.makeControl();
    this.control.id = 'control';
    this.control.classList.add('control');
    this.control.setAttribute('aria-describedby', 'details error');
    this.labelText = make('label', { for: 'control' });
    this.lead = make('span', { class: 'affix' });
    this.trail = make('span', { class: 'affix' });
    this.detailsText = make('div', { class: 'details', id: 'details' });
    this.errorText = make('div', { class: 'error', id: 'error', role: 'alert' });
    this.frame = make('div', { class: 'frame' }, this.lead, this.control, this.trail, make('slot', { name: 'accessory' }));
    this.root.append(make('div', { class: 'field' }, this.labelText, this.frame, this.errorText, this.detailsText));
  }
  get value() {
    return this.control.value;
  }
  set value(next) {
    this.dirty = true;
    const text = next === null || next === undefined ? '' : String(next);
    if (this.control.value !== text) this.control.value = text;
    this.internals?.setFormValue(this.control.value);
  }
  get form() {
    return this.internals.form;
  }
  take() {
    this.dirty = true;
    this.internals.setFormValue(this.control.value);
    this.validate();
  }
  validate() {
    if (this.control.validity.valid) this.internals.setValidity({});
    else this.internals.setValidity(this.control.validity, this.control.validationMessage, this.control);
  }
  checkValidity() {
    return this.internals.checkValidity();
  }
  reportValidity() {
    return this.internals.reportValidity();
  }
  formResetCallback() {
    this.value = this.getAttribute('value') ?? this.defaultValue;
    this.dirty = false;
  }
  attributeChangedCallback(name, before, after) {
    if (name === 'value' && before !== after) this.value = after;
    super.attributeChangedCallback();
  }
  connectedCallback() {
    super.connectedCallback();
    if (!this.dirty) this.value = this.getAttribute('value') ?? this.defaultValue;
    this.validate();
  }
  update() {
    const hidden = this.labelAccessibilityVisibility === 'exclusive';
    this.labelText.className = hidden ? 'only-read' : '';
    this.labelText.replaceChildren(this.label, ...(this.required ? [make('span', { class: 'star', 'aria-hidden': 'true' }, ' *')] : []));
    this.detailsText.textContent = this.details;
    this.detailsText.hidden = !this.details;
    this.errorText.replaceChildren(...(this.error ? [drawIcon('alert-circle', 16), this.error] : []));
    this.errorText.hidden = !this.error;
    this.control.setAttribute('aria-invalid', String(Boolean(this.error)));
    this.control.disabled = this.disabled;
    this.control.required = this.required;
    if ('readOnly' in this.control) this.control.readOnly = this.readOnly;
    if ('placeholder' in this.control) this.control.placeholder = this.placeholder;
    if (this.autocomplete) this.control.autocomplete = this.autocomplete;
    for (const [name, attribute] of [['maxLength', 'maxlength'], ['minLength', 'minlength'], ['min', 'min'], ['max', 'max'], ['step', 'step'], ['rows', 'rows'], ['inputMode', 'inputmode']]) {
      const raw = this.getAttribute(attribute);
      if (raw !== null && name in this.control) this.control.setAttribute(attribute, raw);
    }
    this.lead.textContent = this.prefixText ?? this.getAttribute('prefix') ?? '';
    this.trail.textContent = this.getAttribute('suffix') ?? '';
    if (this.isConnected && this.internals) this.validate();
  }
}

const LENGTHS = { maxLength: 'number', minLength: 'number' };
const RANGE = { min: 'number', max: 'number', step: 'number', suffix: 'string' };

define('s-text-field', class TextField extends Field {
  static props = { ...FIELD_PROPS, ...LENGTHS, suffix: 'string', icon: 'string' };
});
define('s-email-field', class EmailField extends Field {
  static props = { ...FIELD_PROPS, ...LENGTHS };
  makeControl() {
    return make('input', { type: 'email' });
  }
});
define('s-url-field', class UrlField extends Field {
  static props = { ...FIELD_PROPS, ...LENGTHS };
  makeControl() {
    return make('input', { type: 'url' });
  }
});
define('s-password-field', class PasswordField extends Field {
  static props = { ...FIELD_PROPS, ...LENGTHS };
  makeControl() {
    return make('input', { type: 'password' });
  }
});
define('s-text-area', class TextArea extends Field {
  static props = { ...FIELD_PROPS, ...LENGTHS, rows: 'number' };
  makeControl() {
    return make('textarea', { rows: '3' });
  }
});
define('s-number-field', class NumberField extends Field {
  static props = { ...FIELD_PROPS, ...RANGE };
  makeControl() {
    return make('input', { type: 'number', step: 'any' });
  }
});
define('s-money-field', class MoneyField extends Field {
  static props = { ...FIELD_PROPS, ...RANGE, currencyCode: 'string' };
  makeControl() {
    return make('input', { type: 'number', step: '0.01' });
  }
  get prefixText() {
    return this.currencyCode;
  }
});
define('s-date-field', class DateField extends Field {
  static props = { ...FIELD_PROPS, min: 'string', max: 'string', view: 'string', allow: 'string', disallow: 'string' };
  makeControl() {
    return make('input', { type: 'date' });
  }
});
define('s-search-field', class SearchField extends Field {
  static props = { ...FIELD_PROPS, ...LENGTHS };
  makeControl() {
    return make('input', { type: 'search' });
  }
  build() {
    super.build();
    this.frame.prepend(drawIcon('search', 16));
  }
});

define('s-option', class Option extends PolarisElement {
  static props = { value: 'string', disabled: 'boolean', selected: 'boolean', defaultSelected: 'boolean' };
  static styles = sheet(':host { display: none; }');
  update() {
    this.closest('s-select')?.mirror();
  }
});
define('s-option-group', class OptionGroup extends PolarisElement {
  static props = { label: 'string', disabled: 'boolean' };
  static styles = sheet(':host { display: none; }');
});

/* The native <select> lives in the shadow tree and mirrors the s-option children. */
define('s-select', class Select extends Field {
  static props = { ...FIELD_PROPS, icon: 'string' };
  makeControl() {
    return make('select');
  }
  build() {
    super.build();
    this.wanted = null;
    this.frame.append(drawIcon('chevron-down', 16));
    this.root.append(make('slot', { hidden: true }));
  }
  connectedCallback() {
    super.connectedCallback();
    this.watch = new MutationObserver(() => this.mirror());
    this.watch.observe(this, { childList: true, subtree: true, characterData: true });
    this.mirror();
  }
  disconnectedCallback() {
    this.watch?.disconnect();
  }
  get value() {
    return this.control.value;
  }
  set value(next) {
    this.dirty = true;
    this.wanted = next === null || next === undefined ? '' : String(next);
    this.control.value = this.wanted;
    this.internals?.setFormValue(this.control.value);
  }
  take() {
    this.wanted = this.control.value;
    super.take();
  }
  mirror() {
    const option = (from) => {
      const made = make('option', { value: from.getAttribute('value') ?? from.textContent.trim() }, from.textContent.trim());
      made.disabled = from.hasAttribute('disabled');
      made.selected = from.hasAttribute('selected') || from.hasAttribute('defaultselected');
      return made;
    };
    const items = [...this.children].flatMap((child) => {
      if (child.localName === 's-option') return [option(child)];
      if (child.localName !== 's-option-group') return [];
      return [make('optgroup', { label: child.getAttribute('label') || '' }, ...[...child.querySelectorAll('s-option')].map(option))];
    });
    if (this.placeholder && !this.wanted) items.unshift(make('option', { value: '', disabled: true, selected: true }, this.placeholder));
    this.control.replaceChildren(...items);
    if (this.wanted) this.control.value = this.wanted;
    this.internals.setFormValue(this.control.value);
  }
});
