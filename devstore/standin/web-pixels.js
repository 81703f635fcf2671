/*
 * A stand-in for Shopify's web pixel manager, for local use with devstore only: publishes what happens on the page
 * and runs the app's pixel where Shopify runs it, in a worker of a sandboxed frame without an origin. The pixel reaches
 * the page by messages alone: storage, events, consent. https://shopify.dev/docs/api/web-pixels-api
 */
(() => {
  'use strict';
  const facts = JSON.parse(document.getElementById('web-pixels').textContent);
  const CART = 'devstore:cart';
  const CLIENT = 'devstore:client';
  const DONE = 'devstore:checkout';
  const past = [];
  let port = null;
  let started = false;
  let sequence = 0;

  const random = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
  const stored = (store, key, otherwise) => {
    try {
      return JSON.parse(window[store].getItem(key)) ?? otherwise;
    } catch {
      return otherwise;
    }
  };
  const keep = (store, key, value) => {
    try {
      window[store].setItem(key, JSON.stringify(value));
    } catch {
      /* storage is blocked */
    }
  };
  const clientId = stored('localStorage', CLIENT, null) ?? random();
  keep('localStorage', CLIENT, clientId);

  const context = () => ({
    document: { location: { href: location.href, hash: location.hash, host: location.host, pathname: location.pathname, search: location.search }, title: document.title, referrer: document.referrer, characterSet: document.characterSet },
    navigator: { language: navigator.language, languages: [...navigator.languages], cookieEnabled: navigator.cookieEnabled, userAgent: navigator.userAgent },
    window: { innerHeight, innerWidth, outerHeight, outerWidth, pageXOffset: scrollX, pageYOffset: scrollY, origin: location.origin },
  });
  const privacy = () => {
    const asked = window.Shopify.customerPrivacy;
    return {
      analyticsProcessingAllowed: asked.analyticsProcessingAllowed(), marketingAllowed: asked.marketingAllowed(),
      preferencesProcessingAllowed: asked.preferencesProcessingAllowed(), saleOfDataAllowed: asked.saleOfDataAllowed(),
    };
  };

  const tell = (name, type, told) => {
    const event = { id: `sh-${random()}`, name, type, clientId, seq: sequence++, timestamp: new Date().toISOString(), context: context(), ...told };
    past.push(event);
    port?.postMessage({ event });
  };
  const standard = (name, data) => tell(name, 'standard', { data });
  window.Shopify.analytics = { publish: (name, customData) => tell(String(name), 'custom', { customData: structuredClone(customData ?? {}) }) };

  // The cart, by what changed since it was last seen: by fetch, by a form, in another way

  /** The Ajax API's cart as a pixel sees it. */
  const asPixelCart = ({ items, currency }) => ({
    lines: items.map((item) => ({
      quantity: item.quantity,
      cost: { totalAmount: { amount: item.line_price / 100, currencyCode: currency } },
      merchandise: {
        id: String(item.variant_id), title: item.variant_title, sku: item.sku, price: { amount: item.price / 100, currencyCode: currency },
        product: { id: String(item.product_id), title: item.product_title, vendor: item.vendor, type: item.product_type, url: item.url },
      },
    })),
  });
  const quantities = (cart) => Object.fromEntries(cart.lines.map((line) => [line.merchandise.id, { line, quantity: line.quantity }]));
  const compare = (cart) => {
    const now = quantities(cart);
    const before = stored('sessionStorage', CART, {});
    keep('sessionStorage', CART, now);
    for (const id of new Set([...Object.keys(before), ...Object.keys(now)])) {
      const more = (now[id]?.quantity ?? 0) - (before[id]?.quantity ?? 0);
      if (!more) continue;
      const cartLine = { ...(now[id] ?? before[id]).line, quantity: Math.abs(more) };
      standard(more > 0 ? 'product_added_to_cart' : 'product_removed_from_cart', { cartLine });
    }
  };
  const plain = window.fetch.bind(window);
  window.fetch = async (...given) => {
    const response = await plain(...given);
    const path = new URL(given[0] instanceof Request ? given[0].url : given[0], location.href).pathname;
    if (response.ok && /^\/cart\/(add|change|update|clear)(\.js|\.json)?$/.test(path)) {
      plain('/cart.js', { headers: { Accept: 'application/json' } }).then((answer) => answer.json()).then((cart) => compare(asPixelCart(cart))).catch(() => {});
    }
    return response;
  };

  // The sandbox

  const answers = {
    cookie: (method, [name, value]) => {
      if (method === 'get') return document.cookie.split('; ').find((each) => each.startsWith(`${name}=`))?.slice(name.length + 1) ?? '';
      document.cookie = value === undefined ? name : `${name}=${value}`;
      return null;
    },
    storage: (store, method, given) => (method === 'length' ? window[store].length : window[store][method](...given) ?? null),
  };
  const hear = ({ data }) => {
    if (!data.ask) return;
    const { id, api, method, given } = data.ask;
    try {
      const value = api === 'cookie' ? answers.cookie(method, given) : answers.storage(api, method, given);
      port.postMessage({ answer: { id, value } });
    } catch (error) {
      port.postMessage({ answer: { id, problem: String(error) } });
    }
  };
  const allowed = () => facts.pixel?.needs.every((kind) => privacy()[kind === 'marketing' ? 'marketingAllowed' : `${kind}ProcessingAllowed`]);
  const start = () => {
    if (started || !facts.pixel || !allowed()) return;
    started = true;
    const channel = new MessageChannel();
    port = channel.port1;
    port.onmessage = hear;
    const frame = document.createElement('iframe');
    frame.sandbox = 'allow-scripts';
    frame.hidden = true;
    frame.title = 'Web pixel sandbox';
    frame.src = '/cdn/web-pixels/sandbox';
    const init = { context: context(), data: { customer: null, cart: facts.cart, shop: facts.shop, purchasingCompany: null }, customerPrivacy: privacy() };
    frame.addEventListener('load', () => {
      frame.contentWindow.postMessage({ bundle: new URL(facts.pixel.bundle, location.href).href, init, settings: facts.pixel.settings, past: [...past] }, '*', [channel.port2]);
    });
    document.body.append(frame);
  };
  document.addEventListener('visitorConsentCollected', () => {
    if (started) port.postMessage({ consent: { customerPrivacy: privacy() } });
    else start();
  });

  const done = facts.events.some((each) => each.name === 'checkout_completed');
  const token = done && facts.events.at(-1).data.checkout.token;
  for (const { name, data } of facts.events) {
    if (name.startsWith('checkout') && stored('sessionStorage', DONE, '') === token) continue;
    standard(name, data);
  }
  if (done) {
    keep('sessionStorage', DONE, token);
    keep('sessionStorage', CART, {}); // bought, not removed
  }
  compare(facts.cart);
  start();
})();
