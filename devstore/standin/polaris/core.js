/* The ground under every element: attributes with property twins, styles, spacing, responsive values. */

const SPACE = {
  none: '0', 'small-500': '2px', 'small-400': '4px', 'small-300': '6px', 'small-200': '8px', 'small-100': '10px',
  small: '12px', 'small-000': '12px', base: '16px', large: '20px', 'large-100': '24px', 'large-200': '32px',
  'large-300': '40px', 'large-400': '48px', 'large-500': '64px',
};
const RADIUS = {
  none: '0', 'small-200': '2px', 'small-100': '4px', small: '6px', base: '8px', large: '12px', 'large-100': '16px',
  'large-200': '20px', max: '999px',
};
const FONT_SIZE = {
  'small-200': '0.6875rem', 'small-100': '0.6875rem', small: '0.75rem', auto: '', base: '0.8125rem', large: '0.875rem',
  'large-100': '1rem', 'large-200': '1.25rem', 'large-300': '1.5rem', 'large-400': '1.875rem',
};
const FONT_WEIGHT = { auto: '', base: '450', medium: '550', semibold: '650', bold: '700' };
const TONE_TEXT = {
  neutral: 'var(--p-color-text-secondary)', info: 'var(--p-color-text-info)', success: 'var(--p-color-text-success)',
  caution: 'var(--p-color-text-caution)', warning: 'var(--p-color-text-warning)', critical: 'var(--p-color-text-critical)',
};

function sheet(css) {
  const made = new CSSStyleSheet();
  made.replaceSync(css);
  return made;
}

const RESET = sheet(`
  :host { box-sizing: border-box; } :host([hidden]) { display: none !important; }
  *, *::before, *::after { box-sizing: border-box; }
  button, input, select, textarea { font: inherit; color: inherit; letter-spacing: inherit; }
  :focus { outline: none; }
  :focus-visible { outline: 2px solid var(--p-color-border-focus); outline-offset: 1px; }
  .only-read { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
`);

/** Builds an element: make('div', {class: 'x'}, child, 'text'). Text goes in as text, never as HTML. */
function make(tag, attributes = {}, ...children) {
  const element = tag.includes(':') ? document.createElementNS('http://www.w3.org/2000/svg', tag.slice(4)) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const spaces = (value) => String(value || '').split(/\s+/).filter(Boolean).map((part) => SPACE[part] ?? part).join(' ');

/**
 * Splits a responsive value. "@container (inline-size > 500px) 1fr 1fr, 1fr" gives
 * [{condition: '(inline-size > 500px)', value: '1fr 1fr'}, {condition: '', value: '1fr'}].
 */
function responsive(value) {
  const text = String(value ?? '').trim();
  if (!text.startsWith('@container')) return [{ condition: '', value: text }];
  const parts = [];
  let depth = 0;
  let from = 0;
  for (let at = 0; at <= text.length; at += 1) {
    if (text[at] === '(') depth += 1;
    if (text[at] === ')') depth -= 1;
    if (at === text.length || (text[at] === ',' && depth === 0)) {
      parts.push(text.slice(from, at).trim());
      from = at + 1;
    }
  }
  return parts.map((part) => {
    const match = part.match(/^@container\s*([\w-]*\s*\((?:[^()]|\([^()]*\))*\))\s*(.*)$/s);
    return match ? { condition: match[1].trim(), value: match[2].trim() } : { condition: '', value: part };
  });
}

/** CSS text for :host from {property: responsive value}; the default goes first, conditions after it. */
function hostRules(properties, translate) {
  let plain = '';
  let conditional = '';
  for (const [property, raw] of Object.entries(properties)) {
    if (raw === null || raw === undefined || raw === '') continue;
    for (const { condition, value } of responsive(raw)) {
      const rule = `${property}: ${translate(property, value)};`;
      if (condition) conditional = `@container ${condition} { :host { ${rule} } }\n` + conditional;
      else plain += rule;
    }
  }
  return `:host { ${plain} }\n${conditional}`;
}

class PolarisElement extends HTMLElement {
  /** Attribute name in camelCase -> 'string' | 'boolean' | 'number'. Each gets a property twin. */
  static props = {};
  /** Event names; each gets an `on<name>` property, as DOM events have. */
  static events = [];
  static styles = null;

  static get observedAttributes() {
    return Object.keys(this.props).map((name) => name.toLowerCase());
  }

  constructor() {
    super();
    this.root = this.attachShadow({ mode: 'open', delegatesFocus: this.constructor.delegatesFocus || false });
    this.own = new CSSStyleSheet();
    this.root.adoptedStyleSheets = [RESET, ...[this.constructor.styles || []].flat(), this.own];
    this.build();
  }

  /** Makes the shadow tree once. */
  build() {
    this.root.append(make('slot'));
  }

  /** Brings the shadow tree in line with the attributes. Called when connected and on each change. */
  update() {}

  connectedCallback() {
    for (const name of Object.keys(this.constructor.props)) this.adopt(name);
    this.update();
  }

  attributeChangedCallback() {
    if (this.isConnected) this.update();
  }

  /* A property set before the element was upgraded would hide the accessor: set it again through it. */
  adopt(name) {
    if (!Object.hasOwn(this, name)) return;
    const value = this[name];
    delete this[name];
    this[name] = value;
  }

  emit(name, { cancelable = false, bubbles = true, detail } = {}) {
    return this.dispatchEvent(new CustomEvent(name, { bubbles, cancelable, detail }));
  }
}

/* Does a class of ours already answer to this name? HTMLElement's own names do not count. */
function answersTo(type, name) {
  for (let at = type.prototype; at !== PolarisElement.prototype; at = Object.getPrototypeOf(at)) {
    if (Object.hasOwn(at, name)) return true;
  }
  return false;
}

function define(tag, type) {
  for (const [name, kind] of Object.entries(type.props)) {
    if (answersTo(type, name)) continue;
    const attribute = name.toLowerCase();
    Object.defineProperty(type.prototype, name, {
      configurable: true,
      enumerable: true,
      get() {
        const raw = this.getAttribute(attribute);
        if (kind === 'boolean') return raw !== null && raw !== 'false';
        if (kind === 'number') return raw === null || raw === '' ? undefined : Number(raw);
        return raw ?? '';
      },
      set(value) {
        if (kind === 'boolean') this.toggleAttribute(attribute, Boolean(value) && value !== 'false');
        else if (value === null || value === undefined || value === false) this.removeAttribute(attribute);
        else this.setAttribute(attribute, String(value));
      },
    });
  }
  for (const name of type.events) {
    const key = Symbol(name);
    if (`on${name}` in type.prototype) continue;
    Object.defineProperty(type.prototype, `on${name}`, {
      configurable: true,
      get() {
        return this[key] ?? null;
      },
      set(handler) {
        if (this[key]) this.removeEventListener(name, this[key]);
        this[key] = typeof handler === 'function' ? handler : null;
        if (this[key]) this.addEventListener(name, this[key]);
      },
    });
  }
  if (!customElements.get(tag)) customElements.define(tag, type);
}

/** Gives the host a role once, without taking one that the page wrote itself. */
const giveRole = (element, role) => element.hasAttribute('role') || element.setAttribute('role', role);
