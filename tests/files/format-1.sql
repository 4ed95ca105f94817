BEGIN TRANSACTION;
CREATE TABLE customers (
    id INTEGER PRIMARY KEY,
    code TEXT NOT NULL,
    cust_name TEXT NOT NULL,
    hq_street TEXT, hq_number INTEGER, hq_city TEXT, hq_zip TEXT, hq_country TEXT
);
INSERT INTO "customers" VALUES(1,'EVE2545','Evergreen Systems','Hill Road',87,'Perth','79414','Australia');
INSERT INTO "customers" VALUES(2,'HEL1121','Helios Partners','Hill Road',15,'Pune','39164','India');
INSERT INTO "customers" VALUES(3,'KES0622','Kestrel Systems','Queen Street',85,'Leeds','80663','United Kingdom');
CREATE TABLE employees (
    emp_code INTEGER PRIMARY KEY,
    name TEXT NOT NULL
);
INSERT INTO "employees" VALUES(1,'Rossi, Aisha');
INSERT INTO "employees" VALUES(2,'Haddad, Chidi');
CREATE TABLE items (
    code INTEGER PRIMARY KEY,
    description TEXT NOT NULL,
    min_stock INTEGER NOT NULL
);
INSERT INTO "items" VALUES(1,'Gear wheel XL',400);
INSERT INTO "items" VALUES(2,'Steel rod M8',220);
CREATE TABLE objsync_aside (class INTEGER NOT NULL, key INTEGER NOT NULL, v0, v1, v2, v3, v4, v5, v6);
CREATE TABLE objsync_bond (bond INTEGER NOT NULL, object INTEGER NOT NULL, PRIMARY KEY (bond, object)) WITHOUT ROWID;
CREATE TABLE objsync_class (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, table_name TEXT NOT NULL UNIQUE, journaled INTEGER NOT NULL
);
INSERT INTO "objsync_class" VALUES(1,'Item','items',0);
INSERT INTO "objsync_class" VALUES(2,'Customer','customers',0);
INSERT INTO "objsync_class" VALUES(3,'Employee','employees',0);
INSERT INTO "objsync_class" VALUES(4,'Order','orders',1);
CREATE TABLE objsync_conflict (
    id INTEGER PRIMARY KEY,
    class INTEGER NOT NULL, object INTEGER NOT NULL,
    at INTEGER NOT NULL,                -- microseconds since 1970
    number INTEGER NOT NULL,            -- the commit here that decided it
    record TEXT NOT NULL                -- JSON
);
INSERT INTO "objsync_conflict" VALUES(1,4,1099511627784,1795478449381963,7,'{"id":0,"class":"Order","guid":"c5d75f60-7df2-062c-0000-000000000008","number":1,"source_number":1,"kind":"changed/changed","properties":["quantity","price"],"ancestors":[{"employee":{"ref":"c5d75f60-7df2-062c-0000-000000000006"},"customer":{"ref":"c5d75f60-7df2-062c-0000-000000000003"},"date_order":"2026-11-11 12:58:26","item":{"ref":"c5d75f60-7df2-062c-0000-000000000002"},"quantity":43,"price":6084.25}],"ours":{"content":{"employee":{"ref":"c5d75f60-7df2-062c-0000-000000000006"},"customer":{"ref":"c5d75f60-7df2-062c-0000-000000000003"},"date_order":"2026-11-11 12:58:26","item":{"ref":"c5d75f60-7df2-062c-0000-000000000002"},"quantity":2,"price":6084.25},"time":1795478449206350,"author":"MASTER","role":"master","vector":[["c5d75f607df2062c",5]]},"theirs":{"content":{"employee":{"ref":"c5d75f60-7df2-062c-0000-000000000006"},"customer":{"ref":"c5d75f60-7df2-062c-0000-000000000003"},"date_order":"2026-11-11 12:58:26","item":{"ref":"c5d75f60-7df2-062c-0000-000000000002"},"quantity":3,"price":5},"time":1795478449217280,"author":"CLIENT","role":"client","vector":[["5ccd8f2eb01a31c1",5],["c5d75f607df2062c",1]]},"chosen":"theirs","rule":"client-wins","why":"made at CLIENT, a client, which wins over the master","source":"CLIENT","set":1000,"siblings":[],"at":1795478449381963}');
CREATE TABLE objsync_journal (
    pos INTEGER PRIMARY KEY,
    number INTEGER NOT NULL,            -- the commit
    class INTEGER NOT NULL, object INTEGER NOT NULL,
    kind INTEGER NOT NULL,              -- 1 insert, 2 update, 3 delete
    key INTEGER,                        -- the local key at that time
    origin INTEGER,                     -- the peer it came from unchanged, NULL: made here
    before INTEGER NOT NULL,            -- what was there before: 0 nothing, 1 a row, 2 a tombstone
    previous INTEGER,                   -- the object's previous event
    own INTEGER, rest BLOB, time INTEGER, author INTEGER   -- vector and stamp before
, v0, v1, v2, v3, v4, v5, v6);
INSERT INTO "objsync_journal" VALUES(1,1,4,1099511627784,1,1,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "objsync_journal" VALUES(2,2,4,1099511627785,1,2,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "objsync_journal" VALUES(3,3,4,1099511627786,1,3,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "objsync_journal" VALUES(4,4,4,1099511627787,1,4,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "objsync_journal" VALUES(5,5,4,1099511627784,2,1,NULL,1,1,1,NULL,1795478449178007,1,1,1,'2026-11-11 12:58:26',2,43,6084.25,NULL);
INSERT INTO "objsync_journal" VALUES(6,6,4,1099511627785,3,2,NULL,1,2,2,NULL,1795478449178008,1,2,2,'2026-11-08 17:28:29',2,46,3748.72,NULL);
INSERT INTO "objsync_journal" VALUES(7,7,4,1099511627784,2,1,NULL,1,5,5,NULL,1795478449206350,1,1,1,'2026-11-11 12:58:26',2,2,6084.25,NULL);
CREATE TABLE objsync_lineage (
    node INTEGER NOT NULL, place INTEGER NOT NULL, ancestor INTEGER NOT NULL, number INTEGER NOT NULL,
    PRIMARY KEY (node, place)
) WITHOUT ROWID;
INSERT INTO "objsync_lineage" VALUES(2,0,1,4);
CREATE TABLE objsync_merged (
    id INTEGER PRIMARY KEY,
    class INTEGER NOT NULL, object INTEGER NOT NULL,
    vector BLOB NOT NULL, time INTEGER NOT NULL, author INTEGER NOT NULL, content TEXT
);
INSERT INTO "objsync_merged" VALUES(1,4,1099511627784,X'02050101',1795478449217280,2,'{"employee":{"ref":"c5d75f60-7df2-062c-0000-000000000006"},"customer":{"ref":"c5d75f60-7df2-062c-0000-000000000003"},"date_order":"2026-11-11 12:58:26","item":{"ref":"c5d75f60-7df2-062c-0000-000000000002"},"quantity":3,"price":5}');
CREATE TABLE objsync_node (
    n INTEGER PRIMARY KEY,
    guid INTEGER NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL
);
INSERT INTO "objsync_node" VALUES(1,-4190776060210444756,'MASTER','master');
INSERT INTO "objsync_node" VALUES(2,6687158452400828865,'CLIENT','client');
CREATE TABLE "objsync_object_customers" (
            key INTEGER PRIMARY KEY, object INTEGER NOT NULL UNIQUE,
            own INTEGER NOT NULL DEFAULT 0, rest BLOB, time INTEGER NOT NULL DEFAULT 0, author INTEGER NOT NULL DEFAULT 0,
            last INTEGER                -- journal position of its last event
        );
INSERT INTO "objsync_object_customers" VALUES(1,1099511627779,0,NULL,0,0,NULL);
INSERT INTO "objsync_object_customers" VALUES(2,1099511627780,0,NULL,0,0,NULL);
INSERT INTO "objsync_object_customers" VALUES(3,1099511627781,0,NULL,0,0,NULL);
CREATE TABLE "objsync_object_employees" (
            key INTEGER PRIMARY KEY, object INTEGER NOT NULL UNIQUE,
            own INTEGER NOT NULL DEFAULT 0, rest BLOB, time INTEGER NOT NULL DEFAULT 0, author INTEGER NOT NULL DEFAULT 0,
            last INTEGER                -- journal position of its last event
        );
INSERT INTO "objsync_object_employees" VALUES(1,1099511627782,0,NULL,0,0,NULL);
INSERT INTO "objsync_object_employees" VALUES(2,1099511627783,0,NULL,0,0,NULL);
CREATE TABLE "objsync_object_items" (
            key INTEGER PRIMARY KEY, object INTEGER NOT NULL UNIQUE,
            own INTEGER NOT NULL DEFAULT 0, rest BLOB, time INTEGER NOT NULL DEFAULT 0, author INTEGER NOT NULL DEFAULT 0,
            last INTEGER                -- journal position of its last event
        );
INSERT INTO "objsync_object_items" VALUES(1,1099511627777,0,NULL,0,0,NULL);
INSERT INTO "objsync_object_items" VALUES(2,1099511627778,0,NULL,0,0,NULL);
CREATE TABLE "objsync_object_orders" (
            key INTEGER PRIMARY KEY, object INTEGER NOT NULL UNIQUE,
            own INTEGER NOT NULL DEFAULT 0, rest BLOB, time INTEGER NOT NULL DEFAULT 0, author INTEGER NOT NULL DEFAULT 0,
            last INTEGER                -- journal position of its last event
        );
INSERT INTO "objsync_object_orders" VALUES(1,1099511627784,7,X'0205',1795478449217280,2,7);
INSERT INTO "objsync_object_orders" VALUES(3,1099511627786,3,NULL,1795478449178009,1,3);
INSERT INTO "objsync_object_orders" VALUES(4,1099511627787,4,NULL,1795478449178010,1,4);
CREATE TABLE objsync_set (
    seq INTEGER PRIMARY KEY,
    sent INTEGER NOT NULL,              -- 1: prepared here, 0: applied here
    peer INTEGER NOT NULL, id INTEGER NOT NULL, digest TEXT NOT NULL, file TEXT NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL,
    objects INTEGER NOT NULL, transactions INTEGER NOT NULL, bytes INTEGER NOT NULL,
    at INTEGER NOT NULL,                -- microseconds since 1970
    report TEXT NOT NULL                -- JSON
);
INSERT INTO "objsync_set" VALUES(1,0,2,1000,'33b31bc40a9afcba4bcf6dbd48cf73a0664376b267cc2c48107183c724026260','demo/sets/syncFromCLIENT-1000.syncset',5,6,2,2,2207,1795478449382673,'{"file":"demo/sets/syncFromCLIENT-1000.syncset","node":"MASTER","source":"CLIENT","id":1000,"inserted":0,"updated":0,"deleted":0,"conflicts":1,"requeued":1,"skipped":0,"objects":[{"class":"Order","guid":"c5d75f60-7df2-062c-0000-000000000008","number":1,"source_number":1,"outcome":"conflict","reason":"conflict: changed on both sides (quantity, price); CLIENT''s is taken: made at CLIENT, a client, which wins over the master","conflict":1,"row_changed":true},{"class":"Order","guid":"5ccd8f2e-b01a-31c1-0000-000000000002","number":null,"source_number":9,"outcome":"requeued","reason":"waits: its customer is unknown at MASTER (Customer 5ccd8f2e-b01a-31c1-0000-000000000001); Customer is not journaled, so it does not travel by itself; it goes through once that Customer is here","row_changed":false}],"warnings":[]}');
INSERT INTO "objsync_set" VALUES(2,1,2,1000,'37050d0e6171f0e95e91add573655b6ef2c025c05ef30ed3c4d80a2aef8bdbcb','demo/sets/syncFromMASTER-1000.syncset',5,7,2,3,2154,1795478449383694,'{"id":1000,"file":"demo/sets/syncFromMASTER-1000.syncset","source":"MASTER","target":"CLIENT","first_transaction":5,"last_transaction":7,"objects":2,"transactions":3,"bytes":2154}');
CREATE TABLE objsync_state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    format INTEGER NOT NULL,
    node INTEGER NOT NULL,              -- this node's n
    mode INTEGER NOT NULL DEFAULT 0,    -- 0: every row written is a commit; 1: a commit of the engine is open
    number INTEGER NOT NULL DEFAULT 0,  -- last commit
    serial INTEGER NOT NULL DEFAULT 0,  -- last object made here
    clock INTEGER NOT NULL DEFAULT 0,   -- hybrid logical clock, microseconds since 1970
    floor INTEGER NOT NULL DEFAULT 0    -- commits up to here are purged
);
INSERT INTO "objsync_state" VALUES(1,1,1,0,7,11,1795478449383694,0);
CREATE TABLE objsync_sync_time (
    peer INTEGER PRIMARY KEY,
    sent INTEGER NOT NULL DEFAULT 0, acknowledged INTEGER NOT NULL DEFAULT 0, received INTEGER NOT NULL DEFAULT 0,
    seen_number INTEGER NOT NULL DEFAULT 0, seen_clock INTEGER NOT NULL DEFAULT 0
);
INSERT INTO "objsync_sync_time" VALUES(2,7,4,6,6,1795478449377467);
CREATE TABLE "objsync_tombstone_customers" (
            object INTEGER PRIMARY KEY, key INTEGER,
            own INTEGER NOT NULL DEFAULT 0, rest BLOB, time INTEGER NOT NULL DEFAULT 0, author INTEGER NOT NULL DEFAULT 0,
            last INTEGER                -- journal position of its deletion
        );
CREATE TABLE "objsync_tombstone_employees" (
            object INTEGER PRIMARY KEY, key INTEGER,
            own INTEGER NOT NULL DEFAULT 0, rest BLOB, time INTEGER NOT NULL DEFAULT 0, author INTEGER NOT NULL DEFAULT 0,
            last INTEGER                -- journal position of its deletion
        );
CREATE TABLE "objsync_tombstone_items" (
            object INTEGER PRIMARY KEY, key INTEGER,
            own INTEGER NOT NULL DEFAULT 0, rest BLOB, time INTEGER NOT NULL DEFAULT 0, author INTEGER NOT NULL DEFAULT 0,
            last INTEGER                -- journal position of its deletion
        );
CREATE TABLE "objsync_tombstone_orders" (
            object INTEGER PRIMARY KEY, key INTEGER,
            own INTEGER NOT NULL DEFAULT 0, rest BLOB, time INTEGER NOT NULL DEFAULT 0, author INTEGER NOT NULL DEFAULT 0,
            last INTEGER                -- journal position of its deletion
        );
INSERT INTO "objsync_tombstone_orders" VALUES(1099511627785,2,6,NULL,1795478449226529,1,6);
CREATE TABLE objsync_waiting (
    id INTEGER PRIMARY KEY,
    class INTEGER NOT NULL, object INTEGER NOT NULL, peer INTEGER NOT NULL, set_id INTEGER NOT NULL,
    vector BLOB NOT NULL, time INTEGER NOT NULL, author INTEGER NOT NULL,
    key INTEGER, number INTEGER NOT NULL, content TEXT,
    reason TEXT NOT NULL
);
INSERT INTO "objsync_waiting" VALUES(1,4,2199023255554,2,1000,X'0206',1795478449358010,2,9,6,'{"employee":{"ref":"c5d75f60-7df2-062c-0000-000000000007"},"customer":{"ref":"5ccd8f2e-b01a-31c1-0000-000000000001"},"date_order":"2026-10-24 09:35:59","item":{"ref":"c5d75f60-7df2-062c-0000-000000000001"},"quantity":7,"price":8}','its customer is unknown at MASTER (Customer 5ccd8f2e-b01a-31c1-0000-000000000001); Customer is not journaled, so it does not travel by itself; it goes through once that Customer is here');
CREATE TABLE orders (
    order_num INTEGER PRIMARY KEY,
    employee INTEGER NOT NULL REFERENCES employees (emp_code),
    customer INTEGER NOT NULL REFERENCES customers (id),
    date_order TEXT NOT NULL CONSTRAINT "date_order is written YYYY-MM-DD HH:MM:SS" CHECK (
        length(CAST(date_order AS BLOB)) = 19 AND date_order GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9]'),
    item INTEGER NOT NULL REFERENCES items (code),
    quantity NUMERIC NOT NULL CONSTRAINT "quantity is a number from 0 to 1000 with at most two decimals" CHECK (
        typeof(quantity) IN ('integer', 'real') AND quantity BETWEEN 0 AND 1000 AND quantity = round(quantity, 2)),
    price NUMERIC NOT NULL CONSTRAINT "price is a number from 1 to 9999 with at most two decimals" CHECK (
        typeof(price) IN ('integer', 'real') AND price BETWEEN 1 AND 9999 AND price = round(price, 2))
);
INSERT INTO "orders" VALUES(1,1,1,'2026-11-11 12:58:26',2,3,5);
INSERT INTO "orders" VALUES(3,2,2,'2026-10-24 09:35:59',1,474,2350.02);
INSERT INTO "orders" VALUES(4,1,1,'2026-09-27 10:38:45',1,301,813.12);
CREATE INDEX objsync_set_by_id ON objsync_set (id);
CREATE INDEX objsync_conflict_by_object ON objsync_conflict (object);
CREATE INDEX objsync_merged_by_object ON objsync_merged (object);
CREATE INDEX "objsync_tombstone_items_by_key" ON "objsync_tombstone_items" (key);
CREATE TRIGGER "objsync_items_before_insert" BEFORE INSERT ON "items" WHEN EXISTS (SELECT 1 FROM "items" t WHERE t."code" = NEW."code") BEGIN
DELETE FROM objsync_aside;
INSERT INTO objsync_aside (class, key, v0, v1) SELECT 1, t."code", t."description", t."min_stock" FROM "items" t WHERE t."code" = NEW."code";
END;
CREATE TRIGGER "objsync_items_insert" AFTER INSERT ON "items" WHEN NOT EXISTS (SELECT 1 FROM objsync_aside a WHERE a.class = 1 AND a.key = NEW."code") BEGIN
UPDATE objsync_state SET serial = serial + 1;
INSERT INTO "objsync_object_items" (key, object) SELECT NEW."code", (s.node << 40) + s.serial FROM objsync_state s;
END;
CREATE TRIGGER "objsync_items_before_update" BEFORE UPDATE ON "items" WHEN NEW."code" IS NOT OLD."code" BEGIN
DELETE FROM objsync_aside;
INSERT INTO objsync_aside (class, key, v0, v1) SELECT 1, t."code", t."description", t."min_stock" FROM "items" t WHERE t."code" IS NOT OLD."code" AND (t."code" = NEW."code");
END;
CREATE TRIGGER "objsync_items_rekey" AFTER UPDATE ON "items" WHEN NEW."code" IS NOT OLD."code" BEGIN
INSERT INTO "objsync_tombstone_items" (object, key, own, rest, time, author, last)
SELECT o.object, o.key, o.own, o.rest, o.time, o.author, (SELECT coalesce(max(pos), 0) FROM objsync_journal)
FROM objsync_state s, "objsync_object_items" o, objsync_aside a WHERE o.key = a.key AND a.class = 1 AND 1;
DELETE FROM "objsync_object_items" WHERE key IN (SELECT a.key FROM objsync_aside a WHERE a.class = 1 AND 1);
DELETE FROM objsync_aside;
UPDATE "objsync_object_items" SET key = NEW."code" WHERE key = OLD."code";
END;
CREATE TRIGGER "objsync_items_delete" AFTER DELETE ON "items" BEGIN
DELETE FROM objsync_aside;
INSERT INTO "objsync_tombstone_items" (object, key, own, rest, time, author, last)
SELECT o.object, o.key, o.own, o.rest, o.time, o.author, (SELECT coalesce(max(pos), 0) FROM objsync_journal)
FROM objsync_state s, "objsync_object_items" o WHERE o.key = OLD."code";
DELETE FROM "objsync_object_items" WHERE key = OLD."code";
END;
CREATE INDEX "objsync_tombstone_customers_by_key" ON "objsync_tombstone_customers" (key);
CREATE TRIGGER "objsync_customers_before_insert" BEFORE INSERT ON "customers" WHEN EXISTS (SELECT 1 FROM "customers" t WHERE t."id" = NEW."id") BEGIN
DELETE FROM objsync_aside;
INSERT INTO objsync_aside (class, key, v0, v1, v2, v3, v4, v5, v6) SELECT 2, t."id", t."code", t."cust_name", t."hq_street", t."hq_number", t."hq_city", t."hq_zip", t."hq_country" FROM "customers" t WHERE t."id" = NEW."id";
END;
CREATE TRIGGER "objsync_customers_insert" AFTER INSERT ON "customers" WHEN NOT EXISTS (SELECT 1 FROM objsync_aside a WHERE a.class = 2 AND a.key = NEW."id") BEGIN
UPDATE objsync_state SET serial = serial + 1;
INSERT INTO "objsync_object_customers" (key, object) SELECT NEW."id", (s.node << 40) + s.serial FROM objsync_state s;
END;
CREATE TRIGGER "objsync_customers_before_update" BEFORE UPDATE ON "customers" WHEN NEW."id" IS NOT OLD."id" BEGIN
DELETE FROM objsync_aside;
INSERT INTO objsync_aside (class, key, v0, v1, v2, v3, v4, v5, v6) SELECT 2, t."id", t."code", t."cust_name", t."hq_street", t."hq_number", t."hq_city", t."hq_zip", t."hq_country" FROM "customers" t WHERE t."id" IS NOT OLD."id" AND (t."id" = NEW."id");
END;
CREATE TRIGGER "objsync_customers_rekey" AFTER UPDATE ON "customers" WHEN NEW."id" IS NOT OLD."id" BEGIN
INSERT INTO "objsync_tombstone_customers" (object, key, own, rest, time, author, last)
SELECT o.object, o.key, o.own, o.rest, o.time, o.author, (SELECT coalesce(max(pos), 0) FROM objsync_journal)
FROM objsync_state s, "objsync_object_customers" o, objsync_aside a WHERE o.key = a.key AND a.class = 2 AND 1;
DELETE FROM "objsync_object_customers" WHERE key IN (SELECT a.key FROM objsync_aside a WHERE a.class = 2 AND 1);
DELETE FROM objsync_aside;
UPDATE "objsync_object_customers" SET key = NEW."id" WHERE key = OLD."id";
END;
CREATE TRIGGER "objsync_customers_delete" AFTER DELETE ON "customers" BEGIN
DELETE FROM objsync_aside;
INSERT INTO "objsync_tombstone_customers" (object, key, own, rest, time, author, last)
SELECT o.object, o.key, o.own, o.rest, o.time, o.author, (SELECT coalesce(max(pos), 0) FROM objsync_journal)
FROM objsync_state s, "objsync_object_customers" o WHERE o.key = OLD."id";
DELETE FROM "objsync_object_customers" WHERE key = OLD."id";
END;
CREATE INDEX "objsync_tombstone_employees_by_key" ON "objsync_tombstone_employees" (key);
CREATE TRIGGER "objsync_employees_before_insert" BEFORE INSERT ON "employees" WHEN EXISTS (SELECT 1 FROM "employees" t WHERE t."emp_code" = NEW."emp_code") BEGIN
DELETE FROM objsync_aside;
INSERT INTO objsync_aside (class, key, v0) SELECT 3, t."emp_code", t."name" FROM "employees" t WHERE t."emp_code" = NEW."emp_code";
END;
CREATE TRIGGER "objsync_employees_insert" AFTER INSERT ON "employees" WHEN NOT EXISTS (SELECT 1 FROM objsync_aside a WHERE a.class = 3 AND a.key = NEW."emp_code") BEGIN
UPDATE objsync_state SET serial = serial + 1;
INSERT INTO "objsync_object_employees" (key, object) SELECT NEW."emp_code", (s.node << 40) + s.serial FROM objsync_state s;
END;
CREATE TRIGGER "objsync_employees_before_update" BEFORE UPDATE ON "employees" WHEN NEW."emp_code" IS NOT OLD."emp_code" BEGIN
DELETE FROM objsync_aside;
INSERT INTO objsync_aside (class, key, v0) SELECT 3, t."emp_code", t."name" FROM "employees" t WHERE t."emp_code" IS NOT OLD."emp_code" AND (t."emp_code" = NEW."emp_code");
END;
CREATE TRIGGER "objsync_employees_rekey" AFTER UPDATE ON "employees" WHEN NEW."emp_code" IS NOT OLD."emp_code" BEGIN
INSERT INTO "objsync_tombstone_employees" (object, key, own, rest, time, author, last)
SELECT o.object, o.key, o.own, o.rest, o.time, o.author, (SELECT coalesce(max(pos), 0) FROM objsync_journal)
FROM objsync_state s, "objsync_object_employees" o, objsync_aside a WHERE o.key = a.key AND a.class = 3 AND 1;
DELETE FROM "objsync_object_employees" WHERE key IN (SELECT a.key FROM objsync_aside a WHERE a.class = 3 AND 1);
DELETE FROM objsync_aside;
UPDATE "objsync_object_employees" SET key = NEW."emp_code" WHERE key = OLD."emp_code";
END;
CREATE TRIGGER "objsync_employees_delete" AFTER DELETE ON "employees" BEGIN
DELETE FROM objsync_aside;
INSERT INTO "objsync_tombstone_employees" (object, key, own, rest, time, author, last)
SELECT o.object, o.key, o.own, o.rest, o.time, o.author, (SELECT coalesce(max(pos), 0) FROM objsync_journal)
FROM objsync_state s, "objsync_object_employees" o WHERE o.key = OLD."emp_code";
DELETE FROM "objsync_object_employees" WHERE key = OLD."emp_code";
END;
CREATE INDEX "objsync_tombstone_orders_by_key" ON "objsync_tombstone_orders" (key);
CREATE TRIGGER "objsync_orders_before_insert" BEFORE INSERT ON "orders" WHEN EXISTS (SELECT 1 FROM "orders" t WHERE t."order_num" = NEW."order_num") BEGIN
DELETE FROM objsync_aside;
INSERT INTO objsync_aside (class, key, v0, v1, v2, v3, v4, v5) SELECT 4, t."order_num", t."employee", t."customer", t."date_order", t."item", t."quantity", t."price" FROM "orders" t WHERE t."order_num" = NEW."order_num";
END;
CREATE TRIGGER "objsync_orders_insert" AFTER INSERT ON "orders" WHEN NOT EXISTS (SELECT 1 FROM objsync_aside a WHERE a.class = 4 AND a.key = NEW."order_num") BEGIN
UPDATE objsync_state SET number = number + 1, clock = max(clock + 1, CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)) WHERE mode = 0;
UPDATE objsync_state SET serial = serial + 1;
INSERT INTO objsync_journal (number, class, object, kind, key, before)
SELECT s.number, 4, (s.node << 40) + s.serial, 1, NEW."order_num", 0 FROM objsync_state s;
INSERT INTO "objsync_object_orders" (key, object, own, time, author, last)
SELECT NEW."order_num", (s.node << 40) + s.serial, s.number, s.clock, s.node, last_insert_rowid() FROM objsync_state s;
END;
CREATE TRIGGER "objsync_orders_replace" AFTER INSERT ON "orders" WHEN EXISTS (SELECT 1 FROM objsync_aside a WHERE a.class = 4 AND a.key = NEW."order_num" AND (a.v0 COLLATE BINARY IS NOT NEW."employee" COLLATE BINARY OR typeof(a.v0) <> typeof(NEW."employee") OR a.v1 COLLATE BINARY IS NOT NEW."customer" COLLATE BINARY OR typeof(a.v1) <> typeof(NEW."customer") OR a.v2 COLLATE BINARY IS NOT NEW."date_order" COLLATE BINARY OR typeof(a.v2) <> typeof(NEW."date_order") OR a.v3 COLLATE BINARY IS NOT NEW."item" COLLATE BINARY OR typeof(a.v3) <> typeof(NEW."item") OR a.v4 COLLATE BINARY IS NOT NEW."quantity" COLLATE BINARY OR typeof(a.v4) <> typeof(NEW."quantity") OR a.v5 COLLATE BINARY IS NOT NEW."price" COLLATE BINARY OR typeof(a.v5) <> typeof(NEW."price"))) BEGIN
UPDATE objsync_state SET number = number + 1, clock = max(clock + 1, CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)) WHERE mode = 0;
INSERT INTO objsync_journal (number, class, object, kind, key, before, previous, own, rest, time, author, v0, v1, v2, v3, v4, v5)
SELECT s.number, 4, o.object, 2, a.key, 1, o.last, o.own, o.rest, o.time, o.author, a.v0, a.v1, a.v2, a.v3, a.v4, a.v5
FROM objsync_state s, "objsync_object_orders" o, objsync_aside a WHERE o.key = a.key AND a.class = 4 AND a.key = NEW."order_num" AND (a.v0 COLLATE BINARY IS NOT NEW."employee" COLLATE BINARY OR typeof(a.v0) <> typeof(NEW."employee") OR a.v1 COLLATE BINARY IS NOT NEW."customer" COLLATE BINARY OR typeof(a.v1) <> typeof(NEW."customer") OR a.v2 COLLATE BINARY IS NOT NEW."date_order" COLLATE BINARY OR typeof(a.v2) <> typeof(NEW."date_order") OR a.v3 COLLATE BINARY IS NOT NEW."item" COLLATE BINARY OR typeof(a.v3) <> typeof(NEW."item") OR a.v4 COLLATE BINARY IS NOT NEW."quantity" COLLATE BINARY OR typeof(a.v4) <> typeof(NEW."quantity") OR a.v5 COLLATE BINARY IS NOT NEW."price" COLLATE BINARY OR typeof(a.v5) <> typeof(NEW."price"));
UPDATE "objsync_object_orders" SET own = (SELECT number FROM objsync_state), time = (SELECT clock FROM objsync_state), author = (SELECT node FROM objsync_state), last = last_insert_rowid() WHERE key = NEW."order_num";
END;
CREATE TRIGGER "objsync_orders_before_update" BEFORE UPDATE ON "orders" WHEN NEW."order_num" IS NOT OLD."order_num" BEGIN
DELETE FROM objsync_aside;
INSERT INTO objsync_aside (class, key, v0, v1, v2, v3, v4, v5) SELECT 4, t."order_num", t."employee", t."customer", t."date_order", t."item", t."quantity", t."price" FROM "orders" t WHERE t."order_num" IS NOT OLD."order_num" AND (t."order_num" = NEW."order_num");
END;
CREATE TRIGGER "objsync_orders_rekey" AFTER UPDATE ON "orders" WHEN NEW."order_num" IS NOT OLD."order_num" BEGIN
UPDATE objsync_state SET number = number + 1, clock = max(clock + 1, CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)) WHERE mode = 0 AND EXISTS (SELECT 1 FROM objsync_aside a WHERE a.class = 4 AND 1);
INSERT INTO objsync_journal (number, class, object, kind, key, before, previous, own, rest, time, author, v0, v1, v2, v3, v4, v5)
SELECT s.number, 4, o.object, 3, a.key, 1, o.last, o.own, o.rest, o.time, o.author, a.v0, a.v1, a.v2, a.v3, a.v4, a.v5
FROM objsync_state s, "objsync_object_orders" o, objsync_aside a WHERE o.key = a.key AND a.class = 4 AND 1;
INSERT INTO "objsync_tombstone_orders" (object, key, own, rest, time, author, last)
SELECT o.object, o.key, s.number, o.rest, s.clock, s.node, (SELECT max(j.pos) FROM objsync_journal j WHERE j.object = o.object AND j.pos > (SELECT max(pos) FROM objsync_journal) - (SELECT count(*) FROM objsync_aside))
FROM objsync_state s, "objsync_object_orders" o, objsync_aside a WHERE o.key = a.key AND a.class = 4 AND 1;
DELETE FROM "objsync_object_orders" WHERE key IN (SELECT a.key FROM objsync_aside a WHERE a.class = 4 AND 1);
DELETE FROM objsync_aside;
UPDATE "objsync_object_orders" SET key = NEW."order_num" WHERE key = OLD."order_num";
UPDATE objsync_state SET number = number + 1, clock = max(clock + 1, CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)) WHERE mode = 0 AND (OLD."employee" COLLATE BINARY IS NOT NEW."employee" COLLATE BINARY OR typeof(OLD."employee") <> typeof(NEW."employee") OR OLD."customer" COLLATE BINARY IS NOT NEW."customer" COLLATE BINARY OR typeof(OLD."customer") <> typeof(NEW."customer") OR OLD."date_order" COLLATE BINARY IS NOT NEW."date_order" COLLATE BINARY OR typeof(OLD."date_order") <> typeof(NEW."date_order") OR OLD."item" COLLATE BINARY IS NOT NEW."item" COLLATE BINARY OR typeof(OLD."item") <> typeof(NEW."item") OR OLD."quantity" COLLATE BINARY IS NOT NEW."quantity" COLLATE BINARY OR typeof(OLD."quantity") <> typeof(NEW."quantity") OR OLD."price" COLLATE BINARY IS NOT NEW."price" COLLATE BINARY OR typeof(OLD."price") <> typeof(NEW."price"));
INSERT INTO objsync_journal (number, class, object, kind, key, before, previous, own, rest, time, author, v0, v1, v2, v3, v4, v5)
SELECT s.number, 4, o.object, 2, NEW."order_num", 1, o.last, o.own, o.rest, o.time, o.author, OLD."employee", OLD."customer", OLD."date_order", OLD."item", OLD."quantity", OLD."price"
FROM objsync_state s, "objsync_object_orders" o WHERE o.key = NEW."order_num" AND (OLD."employee" COLLATE BINARY IS NOT NEW."employee" COLLATE BINARY OR typeof(OLD."employee") <> typeof(NEW."employee") OR OLD."customer" COLLATE BINARY IS NOT NEW."customer" COLLATE BINARY OR typeof(OLD."customer") <> typeof(NEW."customer") OR OLD."date_order" COLLATE BINARY IS NOT NEW."date_order" COLLATE BINARY OR typeof(OLD."date_order") <> typeof(NEW."date_order") OR OLD."item" COLLATE BINARY IS NOT NEW."item" COLLATE BINARY OR typeof(OLD."item") <> typeof(NEW."item") OR OLD."quantity" COLLATE BINARY IS NOT NEW."quantity" COLLATE BINARY OR typeof(OLD."quantity") <> typeof(NEW."quantity") OR OLD."price" COLLATE BINARY IS NOT NEW."price" COLLATE BINARY OR typeof(OLD."price") <> typeof(NEW."price"));
UPDATE "objsync_object_orders" SET own = (SELECT number FROM objsync_state), time = (SELECT clock FROM objsync_state), author = (SELECT node FROM objsync_state), last = last_insert_rowid() WHERE key = NEW."order_num" AND (OLD."employee" COLLATE BINARY IS NOT NEW."employee" COLLATE BINARY OR typeof(OLD."employee") <> typeof(NEW."employee") OR OLD."customer" COLLATE BINARY IS NOT NEW."customer" COLLATE BINARY OR typeof(OLD."customer") <> typeof(NEW."customer") OR OLD."date_order" COLLATE BINARY IS NOT NEW."date_order" COLLATE BINARY OR typeof(OLD."date_order") <> typeof(NEW."date_order") OR OLD."item" COLLATE BINARY IS NOT NEW."item" COLLATE BINARY OR typeof(OLD."item") <> typeof(NEW."item") OR OLD."quantity" COLLATE BINARY IS NOT NEW."quantity" COLLATE BINARY OR typeof(OLD."quantity") <> typeof(NEW."quantity") OR OLD."price" COLLATE BINARY IS NOT NEW."price" COLLATE BINARY OR typeof(OLD."price") <> typeof(NEW."price"));
END;
CREATE TRIGGER "objsync_orders_delete" AFTER DELETE ON "orders" BEGIN
DELETE FROM objsync_aside;
UPDATE objsync_state SET number = number + 1, clock = max(clock + 1, CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)) WHERE mode = 0;
INSERT INTO objsync_journal (number, class, object, kind, key, before, previous, own, rest, time, author, v0, v1, v2, v3, v4, v5)
SELECT s.number, 4, o.object, 3, OLD."order_num", 1, o.last, o.own, o.rest, o.time, o.author, OLD."employee", OLD."customer", OLD."date_order", OLD."item", OLD."quantity", OLD."price"
FROM objsync_state s, "objsync_object_orders" o WHERE o.key = OLD."order_num";
INSERT INTO "objsync_tombstone_orders" (object, key, own, rest, time, author, last)
SELECT o.object, o.key, s.number, o.rest, s.clock, s.node, last_insert_rowid()
FROM objsync_state s, "objsync_object_orders" o WHERE o.key = OLD."order_num";
DELETE FROM "objsync_object_orders" WHERE key = OLD."order_num";
END;
CREATE TRIGGER "objsync_orders_update" AFTER UPDATE ON "orders" WHEN NEW."order_num" IS OLD."order_num" AND (OLD."employee" COLLATE BINARY IS NOT NEW."employee" COLLATE BINARY OR typeof(OLD."employee") <> typeof(NEW."employee") OR OLD."customer" COLLATE BINARY IS NOT NEW."customer" COLLATE BINARY OR typeof(OLD."customer") <> typeof(NEW."customer") OR OLD."date_order" COLLATE BINARY IS NOT NEW."date_order" COLLATE BINARY OR typeof(OLD."date_order") <> typeof(NEW."date_order") OR OLD."item" COLLATE BINARY IS NOT NEW."item" COLLATE BINARY OR typeof(OLD."item") <> typeof(NEW."item") OR OLD."quantity" COLLATE BINARY IS NOT NEW."quantity" COLLATE BINARY OR typeof(OLD."quantity") <> typeof(NEW."quantity") OR OLD."price" COLLATE BINARY IS NOT NEW."price" COLLATE BINARY OR typeof(OLD."price") <> typeof(NEW."price")) BEGIN
UPDATE objsync_state SET number = number + 1, clock = max(clock + 1, CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)) WHERE mode = 0;
INSERT INTO objsync_journal (number, class, object, kind, key, before, previous, own, rest, time, author, v0, v1, v2, v3, v4, v5)
SELECT s.number, 4, o.object, 2, NEW."order_num", 1, o.last, o.own, o.rest, o.time, o.author, OLD."employee", OLD."customer", OLD."date_order", OLD."item", OLD."quantity", OLD."price"
FROM objsync_state s, "objsync_object_orders" o WHERE o.key = OLD."order_num";
UPDATE "objsync_object_orders" SET own = (SELECT number FROM objsync_state), time = (SELECT clock FROM objsync_state), author = (SELECT node FROM objsync_state), last = last_insert_rowid() WHERE key = OLD."order_num";
END;
COMMIT;