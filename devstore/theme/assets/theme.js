/*
 * The local theme's own script: adds to the cart without leaving the page, keeps the cart count, and stands in
 * for the part of Shopify's customer privacy API that apps ask (window.Shopify.customerPrivacy).
 */
(() => {
  'use strict';
  const CONSENT = 'devstore:consent';
  const allowed = () => localStorage.getItem(CONSENT) !== 'no';
  const named = () => allowed() && localStorage.getItem(CONSENT) !== 'analytics'; // that alone: counted, not recognised
  window.Shopify = window.Shopify || {};
  window.Shopify.shop = document.body.dataset.shop;
  window.Shopify.customerPrivacy = {
    analyticsProcessingAllowed: allowed,
    preferencesProcessingAllowed: named,
    marketingAllowed: named,
    saleOfDataAllowed: named,
    setTrackingConsent: ({ analytics, preferences }, done) => {
      localStorage.setItem(CONSENT, analytics ? (preferences ? 'yes' : 'analytics') : 'no');
      const detail = { analyticsAllowed: allowed(), preferencesAllowed: named(), marketingAllowed: named(), saleOfDataAllowed: named() };
      document.dispatchEvent(new CustomEvent('visitorConsentCollected', { detail }));
      done?.();
    },
  };
  window.Shopify.loadFeatures = (features, done) => done && done();

  const box = document.querySelector('[data-consent]');
  box.checked = allowed();
  box.addEventListener('change', () => {
    window.Shopify.customerPrivacy.setTrackingConsent({ analytics: box.checked, preferences: box.checked });
  });

  const count = document.querySelector('[data-cart-count]');
  const refresh = async () => {
    const cart = await (await fetch('/cart.js', { headers: { Accept: 'application/json' } })).json();
    count.textContent = cart.item_count;
  };
  document.addEventListener('shelfwise:cart-updated', () => refresh());

  const form = document.querySelector('[data-product-form]');
  form?.addEventListener('submit', async (event) => {
    event.preventDefault();
    const said = form.querySelector('[data-said]');
    const response = await fetch('/cart/add.js', { method: 'POST', body: new FormData(form), headers: { Accept: 'application/json' } });
    const answer = await response.json();
    said.textContent = response.ok ? `Added ${answer.title} to your cart.` : answer.description;
    await refresh();
  });
})();
