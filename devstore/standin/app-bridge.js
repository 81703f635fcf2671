/*
 * A stand-in for Shopify's App Bridge, for local use with devstore only.
 *
 * In production the app loads https://cdn.shopify.com/shopifycloud/app-bridge.js; only the script host
 * differs. This file offers the part of the documented surface that an embedded app needs (typed by
 * @shopify/app-bridge-types): the `shopify` global, id tokens, patched fetch, navigation, toast, save
 * bar, modal. It talks to the admin frame (admin.js) by postMessage, always with an exact origin.
 */
(() => {
  'use strict';
  const script = document.currentScript;
  const meta = (name) => document.querySelector(`meta[name="${name}"]`)?.content || '';
  const query = new URLSearchParams(location.search);
  const memory = 'devstore:app-bridge';
  const remembered = JSON.parse(sessionStorage.getItem(memory) || '{}');

  const keep = {
    host: query.get('host') || remembered.host || '',
    shop: query.get('shop') || remembered.shop || '',
    locale: query.get('locale') || remembered.locale || 'en',
    parent: location.ancestorOrigins?.[0] || remembered.parent || originOf(document.referrer),
  };
  sessionStorage.setItem(memory, JSON.stringify(keep));
  const embedded = window.top !== window.self;
  if (!meta('shopify-api-key')) console.error('App Bridge: <meta name="shopify-api-key"> is missing.');

  function originOf(address) {
    try {
      return new URL(address).origin;
    } catch {
      return '';
    }
  }

  /* ---------------------------------------------------------------- talking to the admin frame */
  let nextCall = 1;
  const waiting = new Map();

  function tell(type, data = {}) {
    if (embedded && keep.parent) window.parent.postMessage({ devstore: 1, type, ...data }, keep.parent);
  }

  function ask(type, data = {}) {
    if (!embedded || !keep.parent) return Promise.reject(new Error(`App Bridge: no admin frame answers "${type}".`));
    const call = nextCall++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        waiting.delete(call);
        reject(new Error(`App Bridge: the admin frame did not answer "${type}" within 10 s.`));
      }, 10_000);
      waiting.set(call, { resolve, reject, timer });
      tell(type, { call, ...data });
    });
  }

  window.addEventListener('message', (event) => {
    if (event.source !== window.parent || event.origin !== keep.parent || event.data?.devstore !== 1) return;
    const { type, call } = event.data;
    if (type === 'answer' && waiting.has(call)) {
      const { resolve, reject, timer } = waiting.get(call);
      waiting.delete(call);
      clearTimeout(timer);
      if (event.data.error) reject(new Error(event.data.error));
      else resolve(event.data.value);
    } else if (type === 'nav-click') {
      followNavLink(String(event.data.href));
    } else if (type === 'toast-action') {
      toasts.get(event.data.id)?.onAction?.();
    } else if (type === 'toast-dismiss') {
      const toast = toasts.get(event.data.id);
      toasts.delete(event.data.id);
      toast?.onDismiss?.();
    } else if (type === 'save-bar') {
      answerSaveBar(event.data.id, event.data.choice);
    }
  });

  /* ---------------------------------------------------------------------------------- id tokens */
  const idToken = async () => (await ask('id-token')).token;

  /* ------------------------------------------------------------------------------ patched fetch */
  const plainFetch = window.fetch.bind(window);
  const appOrigins = () => [location.origin, ...(window.shopify.config.appOrigins || [])];

  window.fetch = async function fetch(input, init) {
    const request = new Request(input, init);
    if (!appOrigins().includes(new URL(request.url).origin) || request.headers.has('Authorization') || !embedded) {
      return plainFetch(request);
    }
    const send = async () => {
      const copy = request.clone();
      copy.headers.set('Authorization', `Bearer ${await idToken()}`);
      copy.headers.set('X-Requested-With', 'XMLHttpRequest');
      return plainFetch(copy);
    };
    let response = await send();
    if (response.status === 401 && response.headers.get('X-Shopify-Retry-Invalid-Session-Request') === '1') {
      response = await send();
    }
    const leave = response.headers.get('X-Shopify-API-Request-Failure-Reauthorize-Url');
    if (leave) window.open(new URL(leave, location.href).href, '_top');
    return response;
  };

  /* The bounce page: a document request came without a usable token, so come again with a fresh one. */
  const reload = query.get('shopify-reload');
  if (reload) {
    const target = new URL(reload, location.href);
    if (target.origin === location.origin) {
      idToken().then(
        (token) => {
          target.searchParams.set('id_token', token);
          location.replace(target.href);
        },
        (error) => console.error(error.message),
      );
    } else {
      console.error('App Bridge: shopify-reload must stay on the app’s own origin.');
    }
  }

  /* --------------------------------------------------------------------------------- navigation */
  const frameOnly = ['embedded', 'hmac', 'host', 'id_token', 'locale', 'session', 'shop', 'timestamp'];

  function publicPath() {
    const params = new URLSearchParams(location.search);
    frameOnly.forEach((name) => params.delete(name));
    const rest = params.toString();
    return location.pathname + (rest ? `?${rest}` : '') + location.hash;
  }

  const tellLocation = () => tell('location', { path: publicPath(), title: document.title });
  for (const name of ['pushState', 'replaceState']) {
    const original = history[name].bind(history);
    history[name] = (...args) => {
      original(...args);
      tellLocation();
    };
  }
  window.addEventListener('popstate', tellLocation);

  /*
   * A click on a navigation item: first the documented event `shopify:navigate` on the link itself, for
   * apps that route on the client; if nobody prevented it or moved the address, load the page.
   */
  function followNavLink(href) {
    const link = navLinks().find((item) => item.getAttribute('href') === href);
    if (link) window.__devstoreNavigate(link, href);
  }

  window.__devstoreNavigate = (element, href) => {
    const target = new URL(href, location.href);
    const before = location.href;
    const event = new CustomEvent('shopify:navigate', { bubbles: true, composed: true, cancelable: true });
    const unhandled = element.dispatchEvent(event);
    if (unhandled && location.href === before && target.href !== before) location.assign(target.href);
  };

  const navLinks = () => [...document.querySelectorAll('s-app-nav s-link, s-app-nav a, ui-nav-menu a')];

  function tellNav() {
    const links = navLinks().map((link) => ({
      href: link.getAttribute('href') || '/',
      label: link.textContent.trim(),
      home: link.getAttribute('rel') === 'home',
    }));
    tell('nav', { links });
  }

  class AppNav extends HTMLElement {
    connectedCallback() {
      this.style.display = 'none';
      this.watch = new MutationObserver(tellNav);
      this.watch.observe(this, { childList: true, subtree: true, characterData: true, attributes: true });
      queueMicrotask(tellNav);
    }
    disconnectedCallback() {
      this.watch.disconnect();
      queueMicrotask(tellNav);
    }
  }
  customElements.define('s-app-nav', AppNav);
  customElements.define('ui-nav-menu', class extends AppNav {});

  /* ---------------------------------------------------------------------- toast, loading, modal */
  const toasts = new Map();
  let nextToast = 1;
  const toast = {
    show(message, options = {}) {
      const id = `toast-${nextToast++}`;
      toasts.set(id, options);
      const { duration = 5000, isError = false, action = '' } = options;
      tell('toast', { id, message: String(message), duration, isError, action });
      return id;
    },
    hide: (id) => tell('toast-hide', { id }),
  };
  const overlay = (id) => {
    const element = document.getElementById(id);
    if (!element?.showOverlay) throw new Error(`App Bridge: no modal has the id "${id}".`);
    return element;
  };
  const modal = {
    show: async (id) => overlay(id).showOverlay(),
    hide: async (id) => overlay(id).hideOverlay(),
    toggle: async (id) => overlay(id).toggleOverlay(),
  };

  /* ----------------------------------------------------------------------------------- save bar */
  const bars = new Map();
  let pendingLeave = null;

  const showBar = (id, options) => {
    bars.set(id, options);
    tell('save-bar-show', { id, discardConfirmation: Boolean(options.discardConfirmation) });
  };
  const hideBar = (id) => {
    if (bars.delete(id)) tell('save-bar-hide', { id });
    if (!bars.size && pendingLeave) {
      pendingLeave();
      pendingLeave = null;
    }
  };

  function answerSaveBar(id, choice) {
    const bar = bars.get(id);
    if (!bar) return;
    if (bar.form) {
      if (choice === 'save') bar.form.requestSubmit();
      else bar.form.reset();
      return;
    }
    const [primary, secondary] = [bar.element?.querySelector('[variant="primary"]'), bar.element?.querySelector('button:not([variant="primary"])')];
    (choice === 'save' ? primary : secondary)?.click();
  }

  const saveBar = {
    async show(id) {
      const element = document.getElementById(id);
      showBar(id, { element, discardConfirmation: element?.hasAttribute('discardConfirmation') });
    },
    async hide(id) {
      hideBar(id);
    },
    async toggle(id) {
      return bars.has(id) ? hideBar(id) : saveBar.show(id);
    },
    leaveConfirmation() {
      if (!bars.size) return Promise.resolve();
      tell('save-bar-shake');
      return new Promise((resolve) => {
        pendingLeave = resolve;
      });
    },
  };

  customElements.define('ui-save-bar', class extends HTMLElement {
    connectedCallback() {
      this.style.display = 'none';
    }
    disconnectedCallback() {
      hideBar(this.id);
    }
    show = () => saveBar.show(this.id);
    hide = () => saveBar.hide(this.id);
    toggle = () => saveBar.toggle(this.id);
    get showing() {
      return bars.has(this.id);
    }
  });

  let nextForm = 1;
  const formBarId = (form) => (form.dataset.saveBarId ||= form.id || `form-${nextForm++}`);
  const markDirty = (event) => {
    const form = event.target.closest?.('form[data-save-bar]');
    if (form && !bars.has(formBarId(form))) {
      showBar(formBarId(form), { form, discardConfirmation: form.hasAttribute('data-discard-confirmation') });
    }
  };
  document.addEventListener('input', markDirty);
  document.addEventListener('change', markDirty);
  for (const name of ['submit', 'reset']) {
    document.addEventListener(name, (event) => event.target.dataset?.saveBarId && hideBar(event.target.dataset.saveBarId));
  }

  /* --------------------------------------------------------------------------------- web vitals */
  const vitals = [];
  const reportVitals = (callback) => {
    vitals.push(callback);
    const seen = (name, value) => vitals.forEach((each) => each({ metrics: [{ id: `v-${name}`, name, value }] }));
    if (vitals.length > 1) return;
    let shift = 0;
    const watch = (type, read) => {
      try {
        new PerformanceObserver((list) => list.getEntries().forEach(read)).observe({ type, buffered: true });
      } catch {
        /* this browser does not measure it */
      }
    };
    watch('largest-contentful-paint', (entry) => seen('LCP', entry.startTime));
    watch('layout-shift', (entry) => entry.hadRecentInput || seen('CLS', (shift += entry.value)));
  };

  /* ------------------------------------------------------------------------------- the `shopify` */
  let markReady;
  window.shopify = {
    config: { apiKey: meta('shopify-api-key'), host: keep.host, shop: keep.shop, locale: keep.locale, appOrigins: script?.dataset.appOrigins?.split(',') || [] },
    origin: keep.parent,
    ready: new Promise((resolve) => {
      markReady = resolve;
    }),
    environment: { mobile: /Mobi/.test(navigator.userAgent), embedded, pos: false },
    idToken,
    user: () => ask('user'),
    loading: (on) => tell('loading', { on: on !== false }),
    toast,
    modal,
    saveBar,
    scopes: {
      query: () => ask('scopes'),
      request: () => Promise.reject(new Error('devstore grants every scope in shopify.app.toml at install.')),
      revoke: () => Promise.reject(new Error('devstore does not revoke single scopes.')),
    },
    app: { extensions: () => ask('extensions') },
    webVitals: { onReport: reportVitals },
  };

  const start = () => {
    tell('hello', { path: publicPath(), title: document.title });
    tellNav();
    markReady();
  };
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', start);
  else start();
})();
