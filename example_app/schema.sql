-- The example's tables, and a few events to open. Run at every start: it changes nothing that is
-- there. BEGIN IMMEDIATE makes the second of two workers that start at once wait for the first.
BEGIN IMMEDIATE;

CREATE TABLE IF NOT EXISTS users (
    id    TEXT PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    name  TEXT NOT NULL,
    role  TEXT NOT NULL DEFAULT 'host'
);

CREATE TABLE IF NOT EXISTS events (
    id      TEXT PRIMARY KEY,
    name    TEXT NOT NULL,
    host_id TEXT NOT NULL REFERENCES users (id)
);

-- One row for each notice, as flask_streamend.SQLAlchemyDirectory expects the table.
CREATE TABLE IF NOT EXISTS emails (
    id         INTEGER PRIMARY KEY,
    message_id TEXT,
    event_id   TEXT NOT NULL,
    session    TEXT NOT NULL,
    host_id    TEXT,
    channel    TEXT NOT NULL,
    subject    TEXT,
    status     TEXT NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    error      TEXT,
    created_at REAL NOT NULL,
    sent_at    REAL,
    UNIQUE (event_id, session, channel)
);

INSERT OR IGNORE INTO users (id, email, name, role) VALUES
    ('hanna', 'hanna@example.org', 'Hanna Brandt', 'host'),
    ('ines',  'ines@example.org',  'Inês Duarte',  'host'),
    ('mads',  'mads@example.org',  'Mads Holm',    'host');

INSERT OR IGNORE INTO events (id, name, host_id) VALUES
    ('friday-jam',    'Friday jam',             'hanna'),
    ('harbour-rain',  'Rain over the harbour',  'mads'),
    ('slow-morning',  'Slow morning',           'ines'),
    ('night-bus',     'Night bus home',         'mads');

COMMIT;
