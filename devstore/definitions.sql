CREATE TABLE IF NOT EXISTS metafield_definitions (
    id INTEGER PRIMARY KEY, owner_type TEXT NOT NULL, namespace TEXT NOT NULL, key TEXT NOT NULL,
    name TEXT NOT NULL, description TEXT, type TEXT NOT NULL,
    validations TEXT NOT NULL DEFAULT '[]',           -- JSON [{"name","type","value"}]
    UNIQUE (owner_type, namespace, key)
) STRICT;
