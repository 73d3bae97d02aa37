CREATE TABLE public.answers (
    file bigint NOT NULL,
    page integer NOT NULL,
    body text NOT NULL
);
CREATE TABLE public.daemons (
    owner text NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    since double precision NOT NULL,
    beat double precision NOT NULL,
    report text NOT NULL
);
CREATE TABLE public.directories (
    folder text NOT NULL,
    directory bytea NOT NULL,
    digest bytea NOT NULL
);
CREATE TABLE public.files (
    id bigint NOT NULL,
    folder text NOT NULL,
    directory bytea NOT NULL,
    name bytea NOT NULL,
    size bigint NOT NULL,
    mtime_ns bigint NOT NULL,
    state text NOT NULL,
    was text,
    changed double precision NOT NULL,
    due double precision,
    priority integer NOT NULL,
    fresh smallint NOT NULL,
    again bigint NOT NULL,
    owner text,
    claims integer NOT NULL,
    attempts integer NOT NULL,
    retries integer NOT NULL,
    cut_off integer NOT NULL,
    problem text,
    reason text,
    advice text,
    sha256 bytea,
    question text,
    written text
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='10000', vacuum_index_cleanup='on');
CREATE SEQUENCE public.files_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.files_id_seq OWNED BY public.files.id;
CREATE TABLE public.folders (
    name text NOT NULL,
    first_seen double precision,
    held double precision
);
CREATE TABLE public.glimpsed (
    name text NOT NULL,
    value text NOT NULL
);
CREATE TABLE public.learned (
    model text NOT NULL,
    fact text NOT NULL,
    value text NOT NULL,
    at double precision NOT NULL
);
CREATE TABLE public.paces (
    model text NOT NULL,
    second bigint NOT NULL,
    requests integer NOT NULL,
    tokens bigint NOT NULL
);
CREATE TABLE public.pauses (
    model text NOT NULL,
    reason text NOT NULL,
    since double precision NOT NULL,
    until double precision,
    next_probe double precision
);
CREATE TABLE public.spend (
    day text NOT NULL,
    folder text NOT NULL,
    model text NOT NULL,
    currency text NOT NULL,
    answers integer NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    cost double precision NOT NULL
);
CREATE TABLE public.texts (
    id bigint NOT NULL,
    file bigint NOT NULL,
    page integer NOT NULL,
    body text NOT NULL,
    vector tsvector
);
CREATE SEQUENCE public.texts_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.texts_id_seq OWNED BY public.texts.id;
ALTER TABLE ONLY public.files ALTER COLUMN id SET DEFAULT nextval('public.files_id_seq'::regclass);
ALTER TABLE ONLY public.texts ALTER COLUMN id SET DEFAULT nextval('public.texts_id_seq'::regclass);
INSERT INTO public.answers VALUES (3, 0, '{"glimpsed":1,"folder":"invoices","source":{"name":"answered.png","bytes":10,"modified":"2026-09-21T14:13:20.000000Z","sha256":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","media_type":"image/png","width":10,"height":10,"pages":1},"prompt":{"sha256":"0000000000000000000000000000000000000000000000000000000000000000"},"model":{"entry":"m","api":"chat","asked":"gpt-4o","answered":"gpt-4o"},"sent":[],"text":"paid for, not written","data":null,"pages":null,"finish":"stop","usage":{"input_tokens":100,"output_tokens":10,"cost":0.5,"currency":"EUR","estimated":false},"attempts":1,"request_id":null,"started":"2026-09-21T14:13:20.000000Z","finished":"2026-09-21T14:13:21.000000Z","seconds":1.0,"reused_from":null}');
INSERT INTO public.answers VALUES (6, -1, 'I cannot help with that.');
INSERT INTO public.answers VALUES (10, 1, '{"answer":{"page":1,"text":"first page","data":null},"sent":[],"model":{"entry":"m","api":"chat","asked":"gpt-4o","answered":"gpt-4o"},"usage":{"input_tokens":1,"output_tokens":1,"cost":null,"currency":null,"estimated":false},"finish":"stop","request_id":null,"source":{"name":"pages.pdf","bytes":10,"modified":"2026-09-21T14:13:20.000000Z","sha256":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff","media_type":"image/png","width":10,"height":10,"pages":1}}');
INSERT INTO public.daemons VALUES ('scanhost/0123abcd:4711:77-1', 'scanhost', 4711, 1790000050, 1790000050, '{"folders": {}}');
INSERT INTO public.directories VALUES ('invoices', '\x', '\x78787878787878787878787878787878');
INSERT INTO public.files VALUES (10, 'invoices', '\x', '\x70616765732e706466', 109, 1000000000000000009, 'running', NULL, 1790000009, 1790000080, 0, 1, 0, 'scanhost/0123abcd:4711:77-1', 1, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.files VALUES (2, 'invoices', '\x', '\x72756e6e696e672e706e67', 101, 1000000000000000001, 'running', NULL, 1790000001, 1790000080, 0, 1, 0, 'scanhost/0123abcd:4711:77-1', 1, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.files VALUES (1, 'invoices', '\x', '\x7175657565642e706e67', 100, 1000000000000000000, 'queued', NULL, 1790000000, 0, 0, 1, 0, NULL, 1, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.files VALUES (3, 'invoices', '\x', '\x616e7377657265642e706e67', 102, 1000000000000000002, 'answered', NULL, 1790000021, 1790000080, 0, 1, 0, 'scanhost/0123abcd:4711:77-1', 1, 1, 0, 0, NULL, NULL, NULL, '\xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'q1', NULL);
INSERT INTO public.files VALUES (4, 'invoices', '\x', '\x646f6e652e706e67', 103, 1000000000000000003, 'done', NULL, 1790000022, NULL, 0, 1, 0, NULL, 1, 1, 0, 0, NULL, NULL, NULL, '\xbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 'q1', '[["done.png.txt",5,1000000000000000000]]');
INSERT INTO public.files VALUES (11, 'invoices', '\x32303234', '\xc3bc2e706e67', 110, 1000000000000000010, 'done', NULL, 1790000022, NULL, 0, 1, 0, NULL, 1, 1, 0, 0, NULL, NULL, NULL, '\xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee', 'q1', '[["\u00fc.png.txt",5,1000000000000000000]]');
INSERT INTO public.files VALUES (5, 'invoices', '\x', '\x6661696c65642e706e67', 104, 1000000000000000004, 'failed', NULL, 1790000023, NULL, 0, 1, 0, NULL, 1, 0, 0, 0, NULL, 'It is broken.', 'Scan it again.', NULL, NULL, NULL);
INSERT INTO public.files VALUES (6, 'invoices', '\x', '\x726566757365642e706e67', 105, 1000000000000000005, 'failed', NULL, 1790000023, NULL, 0, 1, 0, NULL, 1, 0, 0, 0, NULL, 'refused', 'Look.', NULL, 'q1', NULL);
INSERT INTO public.files VALUES (8, 'invoices', '\x', '\x7265646f2e706e67', 107, 1000000000000000007, 'queued', NULL, 1790000030, 0, 0, 1, 1790000030, NULL, 1, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, '[["redo.png.txt",5,1000000000000000000]]');
INSERT INTO public.files VALUES (9, 'invoices', '\x', '\x72657472792e706e67', 108, 1000000000000000008, 'queued', NULL, 1790000031, 0, 0, 1, -1790000031, NULL, 1, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.files VALUES (7, 'invoices', '\x', '\x676f6e652e706e67', 106, 1000000000000000006, 'gone', 'done', 1790000040, NULL, 0, 1, 0, NULL, 1, 1, 0, 0, NULL, NULL, NULL, '\xcccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc', 'q1', '[["gone.png.txt",5,1000000000000000000]]');
INSERT INTO public.files VALUES (12, 'invoices', '\x', '\x61646f707465642e706e67', 7, 7, 'done', NULL, 1790000041, NULL, 0, 0, 0, NULL, 0, 0, 0, 0, NULL, NULL, NULL, '\x1212121212121212121212121212121212121212121212121212121212121212', NULL, '[["adopted.png.txt",1,1]]');
INSERT INTO public.folders VALUES ('invoices', 1790000000, 1790000000);
INSERT INTO public.glimpsed VALUES ('version', '1');
INSERT INTO public.glimpsed VALUES ('root:scanhost/0123abcd:invoices', '1:2');
INSERT INTO public.learned VALUES ('https://x/v1 gpt-4o chat', 'edge', '[1568, 1790000000.0]', 1790000000);
INSERT INTO public.paces VALUES ('m', 1790000000, 1, 100);
INSERT INTO public.pauses VALUES ('m', 'HTTP 402', 1790000000, 1790000060, 1790000060);
INSERT INTO public.spend VALUES ('2026-09-21', 'invoices', 'm', 'EUR', 5, 500, 50, 2.5);
INSERT INTO public.spend VALUES ('2026-09-21', 'invoices', 'm', '', 0, 1, 1, 0);
INSERT INTO public.texts VALUES (1, 3, 1, 'paid for, not written', '''for'':2 ''not'':3 ''paid'':1 ''written'':4');
INSERT INTO public.texts VALUES (2, 4, 1, 'Total 12.50 of the invoice', '''12.50'':2 ''invoice'':5 ''of'':3 ''the'':4 ''total'':1');
INSERT INTO public.texts VALUES (4, 8, 1, 'to be asked again', '''again'':4 ''asked'':3 ''be'':2 ''to'':1');
INSERT INTO public.texts VALUES (5, 11, 1, '发票 number', '''number'':3 ''发'':1 ''票'':2');
INSERT INTO public.texts VALUES (6, 12, 1, 'an adopted text', '''adopted'':2 ''an'':1 ''text'':3');
SELECT pg_catalog.setval('public.files_id_seq', 12, true);
SELECT pg_catalog.setval('public.texts_id_seq', 6, true);
ALTER TABLE ONLY public.answers
    ADD CONSTRAINT answers_pkey PRIMARY KEY (file, page);
ALTER TABLE ONLY public.daemons
    ADD CONSTRAINT daemons_pkey PRIMARY KEY (owner);
ALTER TABLE ONLY public.directories
    ADD CONSTRAINT directories_pkey PRIMARY KEY (folder, directory);
ALTER TABLE ONLY public.files
    ADD CONSTRAINT files_path UNIQUE (folder, directory, name);
ALTER TABLE ONLY public.files
    ADD CONSTRAINT files_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.folders
    ADD CONSTRAINT folders_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.glimpsed
    ADD CONSTRAINT glimpsed_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.learned
    ADD CONSTRAINT learned_pkey PRIMARY KEY (model, fact);
ALTER TABLE ONLY public.paces
    ADD CONSTRAINT paces_pkey PRIMARY KEY (model, second);
ALTER TABLE ONLY public.pauses
    ADD CONSTRAINT pauses_pkey PRIMARY KEY (model);
ALTER TABLE ONLY public.spend
    ADD CONSTRAINT spend_pkey PRIMARY KEY (day, folder, model, currency);
ALTER TABLE ONLY public.texts
    ADD CONSTRAINT texts_page UNIQUE (file, page);
ALTER TABLE ONLY public.texts
    ADD CONSTRAINT texts_pkey PRIMARY KEY (id);
CREATE INDEX files_claim ON public.files USING btree (folder, fresh, priority DESC, mtime_ns, id) WHERE (due IS NOT NULL);
CREATE INDEX files_content ON public.files USING btree (sha256) WHERE (sha256 IS NOT NULL);
CREATE INDEX files_due ON public.files USING btree (due) WHERE (due > (0)::double precision);
CREATE INDEX files_owner ON public.files USING btree (owner) WHERE (owner IS NOT NULL);
CREATE INDEX files_state ON public.files USING btree (folder, state, changed);
CREATE INDEX texts_vector ON public.texts USING gin (vector);
