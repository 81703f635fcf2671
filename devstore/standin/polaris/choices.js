/* Yes or no, and one or several of a list: checkbox, switch, choice list. */

const TICK_STYLE = `
  :host { display: block; }
  label { display: flex; gap: 8px; align-items: flex-start; cursor: pointer; }
  input { appearance: none; flex: none; margin: 1px 0 0; inline-size: 18px; block-size: 18px; border: 0.66px solid var(--p-color-input-border); border-radius: 4px; background: var(--p-color-input-bg-surface); cursor: pointer; display: grid; place-items: center; }
  input[type="radio"] { border-radius: 50%; }
  input:checked, input[type="checkbox"]:indeterminate { background: var(--p-color-bg-fill-brand); border-color: var(--p-color-bg-fill-brand); }
  input[type="checkbox"]:checked::after { content: ""; inline-size: 9px; block-size: 5px; border: solid #fff; border-width: 0 0 2px 2px; transform: translateY(-1px) rotate(-45deg); }
  input[type="checkbox"]:indeterminate::after { content: ""; inline-size: 8px; block-size: 2px; background: #fff; transform: none; border: 0; }
  input[type="radio"]:checked::after { content: ""; inline-size: 8px; block-size: 8px; border-radius: 50%; background: #fff; }
  input:disabled { background: var(--p-color-checkbox-bg-surface-disabled); border-color: transparent; cursor: default; }
  :host([disabled]) label { color: var(--p-color-text-disabled); cursor: default; }
  .details { color: var(--p-color-text-secondary); font-size: 0.75rem; } .error { color: var(--p-color-text-critical); } .details:empty, .error:empty { display: none; }
`;
const TICK_PROPS = { ...FIELD_PROPS, checked: 'boolean', defaultChecked: 'boolean', indeterminate: 'boolean', accessibilityLabel: 'string' };

class Tick extends PolarisElement {
  static props = TICK_PROPS;
  static events = ['change', 'input'];
  static styles = sheet(TICK_STYLE);
  static formAssociated = true;
  static delegatesFocus = true;

  constructor() {
    super();
    this.internals = this.attachInternals();
    this.control.addEventListener('change', () => {
      this.touched = true;
      this.report();
      this.emit('change');
    });
  }
  build() {
    this.touched = false;
    this.control = make('input', { type: 'checkbox', id: 'control', 'aria-describedby': 'details error' });
    this.labelText = make('span');
    this.detailsText = make('span', { class: 'details', id: 'details' });
    this.errorText = make('div', { class: 'error', id: 'error', role: 'alert' });
    const words = make('span', { style: 'display: flex; flex-direction: column' }, this.labelText, this.detailsText);
    this.root.append(make('label', { for: 'control' }, this.control, words), this.errorText);
  }
  get checked() {
    return this.control.checked;
  }
  set checked(on) {
    this.touched = true;
    this.control.checked = Boolean(on);
    this.report();
  }
  get value() {
    return this.getAttribute('value') ?? 'on';
  }
  set value(next) {
    this.setAttribute('value', next);
  }
  report() {
    this.internals?.setFormValue(this.control.checked ? this.value : null);
  }
  formResetCallback() {
    this.checked = this.hasAttribute('checked') || this.defaultChecked;
  }
  attributeChangedCallback(name) {
    if (name === 'checked') this.checked = this.hasAttribute('checked') && this.getAttribute('checked') !== 'false';
    super.attributeChangedCallback();
  }
  update() {
    if (!this.touched) this.control.checked = this.hasAttribute('checked') || this.defaultChecked;
    this.control.indeterminate = this.indeterminate;
    this.control.disabled = this.disabled;
    this.control.required = this.required;
    this.labelText.textContent = this.label;
    this.labelText.className = this.labelAccessibilityVisibility === 'exclusive' ? 'only-read' : '';
    this.detailsText.textContent = this.details;
    this.errorText.textContent = this.error;
    if (this.accessibilityLabel) this.control.setAttribute('aria-label', this.accessibilityLabel);
    this.report();
  }
}

define('s-checkbox', class Checkbox extends Tick {});
define('s-switch', class Switch extends Tick {
  static styles = sheet(`${TICK_STYLE}
    input[type="checkbox"] { inline-size: 32px; block-size: 20px; border-radius: 10px; border: 0; background: var(--p-color-input-border); place-items: center start; padding: 0 2px; transition: background 0.1s; }
    input[type="checkbox"]::after, input[type="checkbox"]:checked::after { content: ""; inline-size: 16px; block-size: 16px; border: 0; border-radius: 50%; background: #fff; transform: none; transition: transform 0.1s; }
    input[type="checkbox"]:checked { background: var(--p-color-bg-fill-brand); } input[type="checkbox"]:checked::after { transform: translateX(12px); }
  `);
  build() {
    super.build();
    this.control.setAttribute('role', 'switch');
  }
});

define('s-choice', class Choice extends PolarisElement {
  static props = { value: 'string', disabled: 'boolean', selected: 'boolean', defaultSelected: 'boolean', accessibilityLabel: 'string' };
  static styles = sheet(TICK_STYLE);
  static delegatesFocus = true;
  build() {
    this.control = make('input', { type: 'radio', id: 'control' });
    this.detailsSlot = make('span', { class: 'details' }, make('slot', { name: 'details' }));
    this.root.append(make('label', { for: 'control' }, this.control, make('span', {}, make('slot'), this.detailsSlot)), make('slot', { name: 'secondary-content' }));
    this.root.addEventListener('slotchange', () => this.update()); // the parser brings children after the tag
    this.control.addEventListener('change', () => this.closest('s-choice-list')?.chosen(this));
    this.control.addEventListener('keydown', (event) => this.closest('s-choice-list')?.move(this, event));
  }
  update() {
    const words = [...this.childNodes].filter((node) => !node.slot).map((node) => node.textContent.trim());
    this.control.setAttribute('aria-label', this.accessibilityLabel || words.join(' ').trim());
    this.control.disabled = this.disabled || Boolean(this.closest('s-choice-list')?.disabled);
    if (this.closest('s-choice-list')?.touched) return;
    this.control.checked = this.hasAttribute('selected') || this.defaultSelected;
  }
});

define('s-choice-list', class ChoiceList extends PolarisElement {
  static props = { label: 'string', name: 'string', multiple: 'boolean', disabled: 'boolean', details: 'string', error: 'string', labelAccessibilityVisibility: 'string' };
  static events = ['change', 'input'];
  static formAssociated = true;
  static styles = sheet(`
    :host { display: block; } fieldset { border: 0; margin: 0; padding: 0; min-inline-size: 0; } legend { padding: 0; margin-block-end: 4px; }
    .list { display: flex; flex-direction: column; gap: 8px; } .details { color: var(--p-color-text-secondary); font-size: 0.75rem; } .error { color: var(--p-color-text-critical); }
    .details:empty, .error:empty { display: none; }
  `);
  constructor() {
    super();
    this.internals = this.attachInternals();
    this.touched = false;
  }
  build() {
    this.legend = make('legend');
    this.detailsText = make('div', { class: 'details' });
    this.errorText = make('div', { class: 'error', role: 'alert' });
    const slot = make('slot');
    slot.addEventListener('slotchange', () => this.update());
    this.root.append(make('fieldset', {}, this.legend, make('div', { class: 'list' }, slot), this.detailsText, this.errorText));
  }
  get choices() {
    return [...this.querySelectorAll('s-choice')];
  }
  get values() {
    return this.choices.filter((choice) => choice.control?.checked).map((choice) => choice.value);
  }
  set values(wanted) {
    this.touched = true;
    this.wanted = [...(wanted || [])].map(String);
    this.update();
  }
  chosen(choice) {
    this.touched = true;
    if (!this.multiple) for (const other of this.choices) other.control.checked = other === choice;
    this.wanted = this.values;
    this.report();
    this.emit('input');
    this.emit('change');
  }
  /* Each radio sits in its own shadow tree, so arrows do not move among them by themselves. */
  move(choice, event) {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (!step || this.multiple) return;
    event.preventDefault();
    const open = this.choices.filter((item) => !item.control.disabled);
    const next = open[(open.indexOf(choice) + step + open.length) % open.length];
    next.control.focus();
    next.control.checked = true;
    this.chosen(next);
  }
  report() {
    const data = new FormData();
    if (this.name) for (const value of this.values) data.append(this.name, value);
    this.internals?.setFormValue(data);
  }
  connectedCallback() {
    this.adopt('values');
    super.connectedCallback();
  }
  update() {
    this.legend.textContent = this.label;
    this.legend.className = this.labelAccessibilityVisibility === 'exclusive' ? 'only-read' : '';
    this.detailsText.textContent = this.details;
    this.errorText.textContent = this.error;
    const checked = this.choices.map((choice) => choice.control?.checked);
    this.choices.forEach((choice, index) => {
      if (!choice.control) return;
      choice.control.type = this.multiple ? 'checkbox' : 'radio';
      choice.update();
      if (this.wanted) choice.control.checked = this.wanted.includes(choice.value);
      else if (this.touched) choice.control.checked = checked[index];
    });
    this.report();
  }
});
