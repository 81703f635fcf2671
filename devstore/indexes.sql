-- Made after a bulk load: filling a table with its indexes in place costs about twice the time.
CREATE INDEX IF NOT EXISTS orders_updated ON orders (updated_at, id);        -- orders(query: "updated_at:>=...")
CREATE INDEX IF NOT EXISTS orders_processed ON orders (processed_at, id);    -- sortKey PROCESSED_AT
CREATE INDEX IF NOT EXISTS orders_created ON orders (created_at, id);        -- orders(query: "created_at:>=...")
CREATE INDEX IF NOT EXISTS orders_customer ON orders (customer_id);          -- Customer.orders, numberOfOrders
CREATE INDEX IF NOT EXISTS order_lines_order ON order_lines (order_id, position);
CREATE INDEX IF NOT EXISTS refunds_order ON refunds (order_id);
CREATE INDEX IF NOT EXISTS refund_lines_refund ON refund_lines (refund_id);
CREATE INDEX IF NOT EXISTS variants_product ON variants (product_id, position);
CREATE INDEX IF NOT EXISTS variants_inventory_item ON variants (inventory_item_id);
CREATE INDEX IF NOT EXISTS variants_sku ON variants (sku);
CREATE INDEX IF NOT EXISTS products_updated ON products (updated_at, id);
CREATE INDEX IF NOT EXISTS collection_products_product ON collection_products (product_id);
CREATE INDEX IF NOT EXISTS customers_updated ON customers (updated_at, id);
