-- One shop of the local Shopify. Integers named id are Shopify-like numeric ids, money is decimal text with
-- at least two places, times are ISO-8601 UTC text ending in Z (whole seconds, as Shopify's own).
CREATE TABLE file (schema_version INTEGER NOT NULL, made_at REAL NOT NULL) STRICT;
CREATE TABLE sequences (name TEXT PRIMARY KEY, last_id INTEGER NOT NULL, step INTEGER NOT NULL) STRICT;
CREATE TABLE shop (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

CREATE TABLE products (
    id INTEGER PRIMARY KEY,
    handle TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    body_html TEXT NOT NULL DEFAULT '',
    product_type TEXT NOT NULL DEFAULT '',
    vendor TEXT NOT NULL DEFAULT '',
    status TEXT NOT NULL DEFAULT 'ACTIVE',            -- ACTIVE | DRAFT | ARCHIVED
    tags TEXT NOT NULL DEFAULT '[]',                  -- JSON list of strings
    category TEXT NOT NULL DEFAULT '',
    options TEXT NOT NULL DEFAULT '["Title"]',        -- JSON list of option names; values: variants.title split at " / "
    created_at TEXT NOT NULL,
    published_at TEXT,                                -- NULL: not on the online store
    updated_at TEXT NOT NULL,
    image_url TEXT,
    is_gift_card INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE variants (
    id INTEGER PRIMARY KEY,
    product_id INTEGER NOT NULL,
    title TEXT NOT NULL,
    sku TEXT NOT NULL DEFAULT '',
    price TEXT NOT NULL,
    compare_at_price TEXT,
    position INTEGER NOT NULL,
    inventory_item_id INTEGER NOT NULL,
    inventory_policy TEXT NOT NULL DEFAULT 'DENY',    -- DENY | CONTINUE
    tracked INTEGER NOT NULL DEFAULT 1,               -- 0: always available
    available INTEGER NOT NULL DEFAULT 0,             -- may be negative with CONTINUE
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
CREATE TABLE collections (
    id INTEGER PRIMARY KEY, handle TEXT NOT NULL UNIQUE, title TEXT NOT NULL, updated_at TEXT NOT NULL
) STRICT;
CREATE TABLE collection_products (
    collection_id INTEGER NOT NULL, product_id INTEGER NOT NULL, position INTEGER NOT NULL,
    PRIMARY KEY (collection_id, product_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE customers (
    id INTEGER PRIMARY KEY,
    email TEXT, first_name TEXT, last_name TEXT, phone TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'ENABLED'             -- DISABLED | INVITED | ENABLED | DECLINED
) STRICT;
CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    number INTEGER NOT NULL,
    customer_id INTEGER,
    created_at TEXT NOT NULL,
    processed_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    cancelled_at TEXT,
    cancel_reason TEXT,                               -- CUSTOMER | INVENTORY | FRAUD | DECLINED | OTHER
    test INTEGER NOT NULL DEFAULT 0,
    currency TEXT NOT NULL,
    presentment_currency TEXT NOT NULL,
    financial_status TEXT NOT NULL,                   -- PAID | PENDING | PARTIALLY_REFUNDED | REFUNDED | VOIDED | AUTHORIZED ...
    fulfillment_status TEXT NOT NULL,                 -- FULFILLED | UNFULFILLED | PARTIALLY_FULFILLED | RESTOCKED
    source_name TEXT NOT NULL DEFAULT 'web',
    cart_token TEXT,
    checkout_token TEXT,
    subtotal TEXT NOT NULL,                           -- lines after discounts
    total TEXT NOT NULL,                              -- subtotal + shipping; prices include total_tax
    total_discounts TEXT NOT NULL DEFAULT '0.00',
    total_refunded TEXT NOT NULL DEFAULT '0.00',
    total_shipping TEXT NOT NULL DEFAULT '0.00',
    total_tax TEXT NOT NULL DEFAULT '0.00',
    discount_code TEXT,
    tags TEXT NOT NULL DEFAULT '[]',
    attributes TEXT NOT NULL DEFAULT '[]',            -- JSON [{"key","value"}]
    customer_locale TEXT,
    country_code TEXT,
    note TEXT,
    closed_at TEXT
) STRICT;
CREATE TABLE order_lines (
    id INTEGER PRIMARY KEY,
    order_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    product_id INTEGER,                               -- NULL: the product was deleted
    variant_id INTEGER,
    title TEXT NOT NULL,
    variant_title TEXT,                               -- NULL for a product with one variant
    sku TEXT,
    vendor TEXT,
    quantity INTEGER NOT NULL,
    current_quantity INTEGER NOT NULL,                -- quantity less what was refunded or removed
    price TEXT NOT NULL,                              -- per unit
    discounted_price TEXT NOT NULL,                   -- per unit, after total_discount
    total_discount TEXT NOT NULL DEFAULT '0.00',      -- of the whole line
    properties TEXT NOT NULL DEFAULT '[]',            -- JSON [{"key","value"}]
    gift_card INTEGER NOT NULL DEFAULT 0,
    requires_shipping INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE TABLE refunds (
    id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL, created_at TEXT NOT NULL, amount TEXT NOT NULL,
    note TEXT, restock INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE refund_lines (
    id INTEGER PRIMARY KEY, refund_id INTEGER NOT NULL, order_line_id INTEGER NOT NULL, quantity INTEGER NOT NULL,
    subtotal TEXT NOT NULL, restock_type TEXT NOT NULL -- NO_RESTOCK | CANCEL | RETURN
) STRICT;
CREATE TABLE carts (
    token TEXT PRIMARY KEY, created_at TEXT NOT NULL, updated_at TEXT NOT NULL,
    lines TEXT NOT NULL DEFAULT '[]', attributes TEXT NOT NULL DEFAULT '{}', customer_id INTEGER
) STRICT;
CREATE TABLE locations (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;
CREATE TABLE themes (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, updated_at TEXT NOT NULL  -- MAIN | UNPUBLISHED
) STRICT;
CREATE TABLE metafields (
    id INTEGER PRIMARY KEY, owner_gid TEXT NOT NULL, namespace TEXT NOT NULL, key TEXT NOT NULL,
    type TEXT NOT NULL, value TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL,
    UNIQUE (owner_gid, namespace, key)
) STRICT;
CREATE TABLE staff (
    id INTEGER PRIMARY KEY, first_name TEXT NOT NULL, last_name TEXT NOT NULL, email TEXT NOT NULL,
    account_owner INTEGER NOT NULL DEFAULT 0, locale TEXT NOT NULL DEFAULT 'en'
) STRICT;
-- Known truth of a generated shop, for tests and benchmarks; the Admin API never shows it. The rest is in shop.truth.
CREATE TABLE true_tastes (
    customer_id INTEGER PRIMARY KEY, style TEXT NOT NULL,
    departments TEXT NOT NULL                         -- JSON: percent of each department in shop.truth's order
) STRICT;
