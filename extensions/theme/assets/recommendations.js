/*
 * <shelfwise-recommendations>: asks the shop's app proxy for products when the block nears the viewport,
 * fills the space that the server reserved, and leaves the page alone when anything fails.
 *
 * Text reaches the page through textContent only; links and pictures only after their address was checked.
 */
(() => {
  'use strict';
  const VISITOR = 'shelfwise:visitor'; // the web pixel shares this key and the next
  const STAFF = 'shelfwise:staff';
  const CLICKED = 'shelfwise:clicked';
  const MARK = 'shelfwise:mark';
  const RECENT = 'shelfwise:recent'; // products seen in this session, newest first
  const DAY = 86400000;

  const read = (store, key, otherwise) => {
    try {
      return JSON.parse(window[store].getItem(key)) ?? otherwise;
    } catch {
      return otherwise; // storage is blocked, or holds something that is not ours
    }
  };
  const write = (store, key, value) => {
    try {
      if (value === null) window[store].removeItem(key);
      else window[store].setItem(key, JSON.stringify(value));
    } catch {
      /* storage is blocked or full: this visit goes on without memory */
    }
  };

  /** Whether the shop's consent banner lets us recognise this browser; no answer counts as no. */
  const consented = () =>
    new Promise((resolve) => {
      const decide = () => {
        const privacy = window.Shopify?.customerPrivacy;
        const may = (name) => typeof privacy?.[name] !== 'function' || privacy[name]() === true;
        resolve(Boolean(privacy?.analyticsProcessingAllowed) && may('analyticsProcessingAllowed') && may('preferencesProcessingAllowed'));
      };
      if (window.Shopify?.customerPrivacy || !window.Shopify?.loadFeatures) return decide();
      setTimeout(decide, 500);
      window.Shopify.loadFeatures([{ name: 'consent-tracking-api', version: '0.1' }], decide);
    });

  /** The id that the app gave this browser for this shop, or ''. */
  const held = () => {
    const kept = read('localStorage', VISITOR, '');
    return /^[\w-]{8,64}$/.test(kept) ? kept : '';
  };

  /** Tell the shop's web pixel; it decides what may be sent on. */
  const publish = (name, data) => {
    try {
      window.Shopify?.analytics?.publish?.(name, data);
    } catch {
      /* no pixels on this page */
    }
  };

  const askJson = async (url, patience, body) => {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), patience);
    try {
      const headers = { Accept: 'application/json' };
      if (body) headers['Content-Type'] = 'application/json';
      const response = await fetch(url, { headers, signal: stop.signal, method: body ? 'POST' : 'GET', body: body && JSON.stringify(body) });
      if (!response.ok) throw new Error(String(response.status));
      return await response.json();
    } finally {
      clearTimeout(timer);
    }
  };

  /** An address on this shop's own host, or null. */
  const ownAddress = (value) => {
    try {
      const url = new URL(value, location.origin);
      return url.origin === location.origin ? url.pathname + url.search : null;
    } catch {
      return null;
    }
  };
  const pictureAddress = (value) => {
    try {
      const url = new URL(value, location.origin);
      if (url.host === window.Shopify?.shop) return url.pathname + url.search; // this host serves the shop's files too
      return /^https?:$/.test(url.protocol) ? url.href : null;
    } catch {
      return null;
    }
  };

  class Recommendations extends HTMLElement {
    connectedCallback() {
      const { root = '', proxy = '/apps/shelfwise', productId, slot } = this.dataset;
      this.root = root;
      this.slotName = slot;
      this.proxy = ownAddress(root + proxy);
      this.row = this.querySelector('[data-products]');
      this.status = this.querySelector('[data-status]');
      if (/^\d+$/.test(productId)) {
        this.followClick(productId);
        this.recognised().then((may) => may && this.recent());
      }
      if (read('sessionStorage', MARK, false)) this.markCart();
      this.watch = new IntersectionObserver(
        (entries) => {
          if (!entries.some((entry) => entry.isIntersecting)) return;
          this.watch.disconnect();
          this.load();
        },
        { rootMargin: '0px 0px 600px 0px' },
      );
      this.watch.observe(this);
    }
    disconnectedCallback() {
      this.watch?.disconnect();
    }

    async load() {
      let answer;
      try {
        answer = await this.askOwn();
      } catch {
        answer = await this.askNative().catch(() => null);
      }
      if (answer?.products?.length) this.show(answer);
      else this.giveUp();
      this.row.removeAttribute('aria-busy');
    }
    async askOwn() {
      if (!this.proxy) throw new Error('proxy path');
      const query = new URLSearchParams({ slot: this.slotName, limit: this.dataset.limit });
      if (this.dataset.productId) query.set('product_id', this.dataset.productId);
      if (this.dataset.cart) query.set('cart', this.dataset.cart);
      if (await this.recognised()) {
        query.set('visitor', held() || 'new');
        const recent = this.recent();
        if (recent.length) query.set('recent', recent.join());
      }
      if (this.dataset.repeats) query.set('repeats', this.dataset.repeats);
      const staff = read('localStorage', STAFF, '');
      if (staff) query.set('staff', staff);
      if (navigator.webdriver) query.set('automated', '1');
      const answer = await askJson(`${this.proxy}/recommendations?${query}`, 800);
      if (answer.visitor && !held() && (await consented())) write('localStorage', VISITOR, answer.visitor);
      if (!answer.products?.length) throw new Error('empty');
      return answer;
    }
    /** What was seen before in this session; the product of this page joins it. */
    recent() {
      const id = this.dataset.productId;
      const seen = [].concat(read('sessionStorage', RECENT, [])).filter((each) => /^\d{1,18}$/.test(each) && each !== id);
      if (id) write('sessionStorage', RECENT, [id, ...seen].slice(0, 20));
      return seen.slice(0, 20);
    }
    /** Whether the visitor may be recognised. Without consent the id goes from browser and cart, and the app unlinks it. */
    async recognised() {
      if (await consented()) return true;
      const visitor = held();
      write('sessionStorage', RECENT, null);
      if (!visitor) return false;
      write('localStorage', VISITOR, null);
      this.tell('withdraw', { visitor });
      askJson(`${this.root}/cart/update.js`, 5000, { attributes: { _ml_visitor: '' } }).catch(() => {});
      return false;
    }
    tell(what, told) {
      const body = JSON.stringify(told);
      if (!navigator.sendBeacon?.(`${this.proxy}/${what}`, body)) {
        fetch(`${this.proxy}/${what}`, { method: 'POST', body, keepalive: true }).catch(() => {});
      }
    }
    /** Shopify's own related products, when ours do not answer; only for a product. */
    async askNative() {
      const id = this.dataset.productId;
      if (!id || this.slotName !== 'product_page') return null;
      const limit = Math.min(10, Number(this.dataset.limit) || 8);
      const answer = await askJson(`${this.root}/recommendations/products.json?product_id=${id}&limit=${limit}&intent=related`, 1500);
      return {
        products: answer.products.map((product) => ({
          product_id: String(product.id), variant_id: String(product.variants?.[0]?.id ?? ''), title: product.title, url: product.url,
          image: product.featured_image, price: (product.price / 100).toFixed(2), currency: this.dataset.currency, available: product.available,
        })),
      };
    }

    show(answer) {
      const tiles = answer.products.map((product) => this.tile(product, answer.exposure || '')).filter(Boolean);
      if (!tiles.length) return this.giveUp();
      this.row.style.minHeight = `${this.row.offsetHeight}px`; // fewer products than places: the page below stays where it is
      this.row.replaceChildren(...tiles);
      this.dataset.state = 'shown';
      if (answer.served_by) this.dataset.servedBy = answer.served_by;
      if (answer.exposure) publish('shelfwise:shown', { exposure: answer.exposure, slot: this.slotName });
      return undefined;
    }
    /* Collapse only while out of sight: what the buyer is looking at must not move. */
    giveUp() {
      if ('designMode' in this.dataset) return;
      this.dataset.state = 'failed';
      new IntersectionObserver((entries, watch) => {
        if (entries.some((entry) => entry.isIntersecting)) return;
        watch.disconnect();
        this.hidden = true;
      }).observe(this);
    }

    tile(product, exposure) {
      const address = ownAddress(product.url);
      if (!address || !product.title) return null;
      const tile = this.querySelector('template').content.firstElementChild.cloneNode(true);
      const part = (name) => tile.querySelector(`[data-${name}]`);
      const link = part('link');
      link.href = this.root + address;
      link.addEventListener('click', () => this.clicked(product, exposure));
      part('title').textContent = product.title;
      const picture = product.image && pictureAddress(product.image);
      if (picture) {
        const image = document.createElement('img');
        image.src = picture;
        image.alt = '';
        image.loading = 'lazy';
        part('picture').append(image);
      } else {
        part('picture').textContent = product.title.slice(0, 1);
      }
      if (part('price')) this.price(part('price'), product);
      const add = part('add');
      if (add) {
        add.disabled = product.available === false || !/^\d+$/.test(product.variant_id);
        add.setAttribute('aria-label', `${add.textContent.trim()}: ${product.title}`);
        add.addEventListener('click', () => this.add(add, product, exposure));
      }
      return tile;
    }
    price(place, product) {
      const money = (value) => {
        try {
          return new Intl.NumberFormat(document.documentElement.lang || 'en', { style: 'currency', currency: product.currency }).format(value);
        } catch {
          return `${value} ${product.currency || ''}`;
        }
      };
      place.textContent = money(product.price);
      if (Number(product.compare_at_price) > Number(product.price)) {
        const before = document.createElement('s');
        before.textContent = money(product.compare_at_price);
        place.append(before);
      }
    }

    /** Tell the app, and remember for this session, so the product page's own form can name the exposure. */
    async clicked(product, exposure) {
      if (!exposure) return;
      const kept = Object.entries(read('sessionStorage', CLICKED, {})).filter(([, seen]) => Date.now() - seen.at < DAY).slice(-49);
      write('sessionStorage', CLICKED, { ...Object.fromEntries(kept), [product.product_id]: { exposure, at: Date.now() } });
      this.tell('clicks', { exposure, product_id: product.product_id, visitor: held() });
      publish('shelfwise:clicked', { exposure, product_id: product.product_id });
    }
    followClick(productId) {
      const seen = read('sessionStorage', CLICKED, {})[productId];
      if (!seen || Date.now() - seen.at > DAY) return;
      for (const form of document.querySelectorAll('form[action*="/cart/add"]')) {
        if (this.contains(form) || form.querySelector('[name="properties[_ml_rec]"]')) continue;
        const input = document.createElement('input');
        Object.assign(input, { type: 'hidden', name: 'properties[_ml_rec]', value: seen.exposure });
        form.append(input);
        form.addEventListener('submit', () => {
          write('sessionStorage', MARK, true); // the next page with this block marks the cart
          setTimeout(() => this.markCart(), 1500);
        });
      }
    }
    async markCart() {
      const visitor = (await this.recognised()) && held();
      write('sessionStorage', MARK, null);
      if (visitor) await askJson(`${this.root}/cart/update.js`, 5000, { attributes: { _ml_visitor: visitor } }).catch(() => {});
    }

    async add(button, product, exposure) {
      // In full for the whole block, and in a word on the button, where the buyer is looking.
      const say = (words, short) => {
        this.status.textContent = words.replace('[title]', product.title);
        button.textContent = short;
        setTimeout(() => (button.textContent = written), 2500);
      };
      // Not `disabled`: that would take the keyboard's focus away from the button.
      if (button.getAttribute('aria-disabled') === 'true') return;
      button.setAttribute('aria-disabled', 'true');
      const written = button.dataset.written ??= button.textContent;
      try {
        const properties = exposure ? { _ml_rec: exposure } : {};
        await askJson(`${this.root}/cart/add.js`, 10000, { items: [{ id: Number(product.variant_id), quantity: 1, properties }] });
        await this.markCart();
        say(this.dataset.added, this.dataset.addedShort);
        this.linkToCart();
        const event = new CustomEvent('shelfwise:cart-updated', { bubbles: true, cancelable: true, detail: { product_id: product.product_id } });
        // A theme that draws the cart itself prevents the default; otherwise the cart page shows itself again.
        if (this.dispatchEvent(event) && this.slotName === 'cart') location.reload();
      } catch {
        say(this.dataset.failed, this.dataset.failedShort);
      } finally {
        button.removeAttribute('aria-disabled');
      }
    }
    linkToCart() {
      const address = ownAddress(this.dataset.cartUrl);
      if (!address || this.slotName === 'cart') return;
      const link = document.createElement('a');
      link.href = address;
      link.textContent = this.dataset.viewCart;
      this.status.append(link);
    }
  }

  // The link in the admin that marks a member of staff's own browser ends in a signed pass.
  const pass = /^#shelfwise-staff=(\d{1,12}\.[\w-]{1,24})$/.exec(location.hash);
  if (pass) write('localStorage', STAFF, pass[1]);
  document.addEventListener('visitorConsentCollected', () => document.querySelector('shelfwise-recommendations')?.recognised());
  addEventListener('pagehide', () => publish('shelfwise:leaving', {}));
  if (!customElements.get('shelfwise-recommendations')) customElements.define('shelfwise-recommendations', Recommendations);
})();
