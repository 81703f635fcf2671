/*
 * The admin's half of the App Bridge stand-in: answers the app in the iframe, shows its navigation, toasts and
 * save bar, and keeps the address bar in step. Listens to exactly one window at exactly one origin.
 */
(() => {
  'use strict';
  const { shop, staff } = document.body.dataset;
  const $ = (name) => document.querySelector(`[data-${name}]`);
  const frame = $('app-frame');

  /* ------------------------------------------------------------------ the frame's own controls */
  const nav = $('nav');
  const menu = $('menu');
  const openNav = (open) => {
    nav.classList.toggle('open', open);
    menu.setAttribute('aria-expanded', String(open));
    if (open) nav.querySelector('a').focus();
  };
  menu.addEventListener('click', () => openNav(!nav.classList.contains('open')));
  nav.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !nav.classList.contains('open')) return;
    openNav(false);
    menu.focus();
  });
  $('staff-switch').addEventListener('change', (event) => {
    const url = new URL(location.href);
    url.searchParams.set('staff', event.target.value);
    location.assign(url);
  });
  for (const button of document.querySelectorAll('[data-act]')) {
    button.addEventListener('click', async () => {
      if (button.dataset.confirm && !window.confirm(button.dataset.confirm)) return;
      button.disabled = true;
      const response = await fetch(button.dataset.act, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' });
      if (response.ok) return location.reload();
      const answer = await response.json().catch(() => ({}));
      showToast({ message: String(answer.error?.message || answer.error || `It failed (${response.status}).`), isError: true, duration: 5000 });
      button.disabled = false;
    });
  }

  /* --------------------------------------------------------------------------------------- toast */
  const toasts = $('toasts');
  const shown = new Map();
  const hideToast = (id) => {
    const entry = shown.get(id);
    if (!entry) return;
    shown.delete(id);
    clearTimeout(entry.timer);
    entry.element.remove();
    tell('toast-dismiss', { id });
  };
  function showToast({ id = `own-${Date.now()}`, message, duration, isError, action }) {
    const element = document.createElement('div');
    element.className = isError ? 'toast bad' : 'toast';
    const button = (label, aria, run) => {
      const made = document.createElement('button');
      made.type = 'button';
      made.textContent = label;
      if (aria) made.setAttribute('aria-label', aria);
      made.addEventListener('click', run);
      return made;
    };
    element.append(message);
    if (action) element.append(button(action, '', () => tell('toast-action', { id })));
    element.append(button('✕', 'Dismiss', () => hideToast(id)));
    toasts.append(element);
    shown.set(id, { element, timer: setTimeout(() => hideToast(id), Math.max(1000, Number(duration) || 5000)) });
  }

  /* ------------------------------------------------------------------------------ the app inside */
  if (!frame) return;
  const { appOrigin, appRoot, base } = frame.dataset;
  function tell(type, data = {}) {
    frame?.contentWindow.postMessage({ devstore: 1, type, ...data }, appOrigin);
  }

  const token = async () => {
    const response = await fetch(`/_devstore/shops/${shop}/session-token?staff=${staff}`);
    if (!response.ok) throw new Error(`The admin could not make an id token (${response.status}).`);
    return response.json();
  };
  const questions = {
    'id-token': token,
    user: async () => ({ id: Number(staff), accountAccess: document.querySelector('[data-staff-switch] option:checked').index === 0 ? 'Full access' : 'Limited access' }),
    scopes: async () => ({ granted: frame.dataset.scopes.split(',').filter(Boolean), required: frame.dataset.scopes.split(',').filter(Boolean), optional: [] }),
    extensions: async () => JSON.parse(frame.dataset.themeExtension),
  };

  const adminPath = (path) => {
    const url = new URL(path, appOrigin);
    const inside = appRoot && url.pathname.startsWith(appRoot) ? url.pathname.slice(appRoot.length) : url.pathname;
    return base + (inside === '/' ? '' : inside) + url.search + url.hash;
  };
  const syncAddress = (path) => {
    const url = new URL(adminPath(String(path)), location.origin);
    if (!url.pathname.startsWith(base)) return;
    url.searchParams.set('staff', staff);
    history.replaceState(null, '', url);
    markCurrent();
  };

  const links = $('app-nav');
  const markCurrent = () => {
    for (const link of links.children) {
      if (location.pathname === new URL(link.href).pathname) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
    const child = links.querySelector('[aria-current]');
    const home = $('app-home');
    if (child) home.removeAttribute('aria-current');
    else home.setAttribute('aria-current', 'page');
  };
  let homeHref = '/';
  const showNav = (items) => {
    homeHref = items.find((item) => item.home)?.href || '/';
    links.replaceChildren(
      ...items.filter((item) => !item.home).map((item) => {
        const link = document.createElement('a');
        link.href = `${adminPath(String(item.href))}?staff=${staff}`;
        link.textContent = String(item.label);
        link.addEventListener('click', (event) => {
          if (event.metaKey || event.ctrlKey || event.shiftKey) return;
          event.preventDefault();
          openNav(false);
          tell('nav-click', { href: item.href });
        });
        return link;
      }),
    );
    markCurrent();
  };
  let alive = false;
  $('app-home').addEventListener('click', (event) => {
    if (!alive || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    openNav(false);
    tell('nav-click', { href: homeHref });
  });

  /* ------------------------------------------------------------------------------------ save bar */
  const bar = $('savebar');
  let barId = null;
  const showBar = (id, ask) => {
    barId = id;
    bar.dataset.ask = ask ? 'yes' : '';
    bar.hidden = false;
  };
  const hideBar = (id) => {
    if (id !== undefined && id !== barId) return;
    barId = null;
    bar.hidden = true;
  };
  $('save').addEventListener('click', () => tell('save-bar', { id: barId, choice: 'save' }));
  $('discard').addEventListener('click', () => {
    if (bar.dataset.ask && !window.confirm('Discard all unsaved changes?')) return;
    tell('save-bar', { id: barId, choice: 'discard' });
  });

  const reports = {
    hello: ({ path }) => {
      alive = true;
      hideBar();
      syncAddress(path);
    },
    location: ({ path }) => syncAddress(path),
    nav: ({ links: items }) => Array.isArray(items) && showNav(items),
    loading: ({ on }) => ($('loading').hidden = !on),
    toast: showToast,
    'toast-hide': ({ id }) => hideToast(id),
    'save-bar-show': ({ id, discardConfirmation }) => showBar(id, discardConfirmation),
    'save-bar-hide': ({ id }) => hideBar(id),
    'save-bar-shake': () => {
      bar.classList.remove('shake');
      requestAnimationFrame(() => bar.classList.add('shake'));
    },
  };

  window.addEventListener('message', async (event) => {
    if (event.source !== frame.contentWindow || event.origin !== appOrigin || event.data?.devstore !== 1) return;
    const { type, call } = event.data;
    if (Object.hasOwn(questions, type)) {
      try {
        tell('answer', { call, value: await questions[type]() });
      } catch (error) {
        tell('answer', { call, error: error.message });
      }
    } else if (Object.hasOwn(reports, type)) {
      reports[type](event.data);
    }
  });
})();
