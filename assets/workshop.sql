-- A sample database that nobody made for objsync: a workshop and its vans. It has one of each thing that makes tables hard to
-- synchronize: keys that are texts or several columns, WITHOUT ROWID, STRICT, generated columns, blobs, rows that refer to
-- rows of their own table, deletions that take others along, and triggers of its own.
--
-- sqlite3 workshop.db < assets/workshop.sql     (or: objsync sample workshop.db)
PRAGMA foreign_keys = ON;

CREATE TABLE country (
    code TEXT PRIMARY KEY COLLATE NOCASE CHECK (length(code) = 2),
    name TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE mechanic (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    boss INTEGER REFERENCES mechanic (id),
    country TEXT NOT NULL REFERENCES country (code) ON UPDATE CASCADE
);

CREATE TABLE part (
    sku TEXT PRIMARY KEY,
    label TEXT NOT NULL UNIQUE,
    cents INTEGER NOT NULL CHECK (cents >= 0),
    euros REAL GENERATED ALWAYS AS (cents / 100.0) STORED,
    photo BLOB,
    changed_at TEXT
) STRICT;

CREATE TABLE stock (
    van TEXT NOT NULL,
    sku TEXT NOT NULL REFERENCES part (sku) ON UPDATE CASCADE,
    quantity INTEGER NOT NULL CHECK (quantity >= 0),
    PRIMARY KEY (van, sku)
) WITHOUT ROWID;

CREATE TABLE job (
    id INTEGER PRIMARY KEY,
    title TEXT NOT NULL,
    mechanic INTEGER REFERENCES mechanic (id) ON DELETE SET NULL,
    done INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE job_part (
    job INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    sku TEXT NOT NULL REFERENCES part (sku) ON UPDATE CASCADE,
    quantity INTEGER NOT NULL,
    PRIMARY KEY (job, sku)
);

-- The workshop's own business, in each file by itself: not synchronized.
CREATE TABLE open_jobs (n INTEGER NOT NULL);
INSERT INTO open_jobs VALUES (0);
CREATE TABLE part_words (sku TEXT NOT NULL, word TEXT NOT NULL);

CREATE TRIGGER job_opened AFTER INSERT ON job WHEN NOT NEW.done BEGIN UPDATE open_jobs SET n = n + 1; END;
CREATE TRIGGER job_closed AFTER UPDATE OF done ON job WHEN OLD.done <> NEW.done BEGIN
    UPDATE open_jobs SET n = n + iif(NEW.done, -1, 1);
END;
CREATE TRIGGER job_gone AFTER DELETE ON job WHEN NOT OLD.done BEGIN UPDATE open_jobs SET n = n - 1; END;
CREATE TRIGGER part_found AFTER INSERT ON part BEGIN INSERT INTO part_words VALUES (NEW.sku, lower(NEW.label)); END;
CREATE TRIGGER part_found_again AFTER UPDATE OF label, sku ON part BEGIN
    DELETE FROM part_words WHERE sku = OLD.sku;
    INSERT INTO part_words VALUES (NEW.sku, lower(NEW.label));
END;
CREATE TRIGGER part_lost AFTER DELETE ON part BEGIN DELETE FROM part_words WHERE sku = OLD.sku; END;
-- This one writes to a table that is synchronized: what it did travels, so it runs only where the change is made.
CREATE TRIGGER part_changed AFTER UPDATE OF label, cents, photo ON part BEGIN
    UPDATE part SET changed_at = strftime('%Y-%m-%d %H:%M:%f', 'now') WHERE sku = NEW.sku;
END;

INSERT INTO country VALUES ('at', 'Austria'), ('de', 'Germany'), ('it', 'Italy');
INSERT INTO mechanic VALUES (1, 'Ada', NULL, 'de'), (2, 'Ben', 1, 'de'), (3, 'Cleo', 2, 'at');
INSERT INTO part (sku, label, cents, photo) VALUES
    ('BRK-1', 'Brake pad', 2350, x'ffd8ffe0'), ('BRK-2', 'Brake disc', 6900, NULL), ('OIL-5', 'Oil 5W-30', 4100, NULL),
    ('WIP-9', 'Wiper', 990, x'00ff');
INSERT INTO stock VALUES ('north', 'BRK-1', 8), ('north', 'OIL-5', 3), ('south', 'BRK-1', 2), ('south', 'WIP-9', 12);
INSERT INTO job VALUES (100, 'Brakes of the red van', 2, 0), (101, 'Winter check', 3, 0);
INSERT INTO job_part VALUES (100, 'BRK-1', 4), (100, 'BRK-2', 2), (101, 'WIP-9', 2);
