-- What PostgreSQL says of the SQL texts of the store.
CREATE TABLE complaints (text_number int, complaint text);

-- The store gives and takes integers of eight bytes, texts and bytes, and nothing else.
CREATE FUNCTION judge_types(text_number int, place text, types text[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO complaints
    SELECT text_number, place || ' ' || number || ' is of the type ' || type
    FROM unnest(types) WITH ORDINALITY AS t (type, number)
    WHERE type NOT IN ('bigint', 'text', 'bytea') AND NOT (place = 'column' AND type = 'integer')
$$;

-- The types of the columns of a query; their number is found by naming them.
CREATE FUNCTION column_types(execution text) RETURNS text[] LANGUAGE plpgsql AS $$
BEGIN
    FOR number IN REVERSE 24..1 LOOP
        BEGIN
            EXECUTE 'CREATE TEMPORARY TABLE answer ('
                || (SELECT string_agg('c' || n, ', ') FROM generate_series(1, number) AS n)
                || ') AS ' || execution || ' WITH NO DATA';
            RETURN (SELECT array_agg(format_type(atttypid, NULL) ORDER BY attnum)
                FROM pg_attribute WHERE attrelid = 'answer'::regclass AND attnum > 0);
        EXCEPTION WHEN syntax_error THEN
            CONTINUE WHEN SQLERRM = 'too many column names were specified';
            RAISE;
        END;
    END LOOP;
    RAISE 'it has too many columns for this test';
END $$;

CREATE FUNCTION judge(text_number int, body text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    types text[];
    nulls text;
BEGIN
    EXECUTE 'PREPARE judged AS ' || body;
    SELECT parameter_types::text[] INTO types FROM pg_prepared_statements WHERE name = 'judged';
    PERFORM judge_types(text_number, 'parameter', types);
    IF body LIKE 'SELECT %' THEN
        SELECT '(' || string_agg('NULL', ', ') || ')' INTO nulls FROM unnest(types);
        PERFORM judge_types(text_number, 'column', column_types('EXECUTE judged' || coalesce(nulls, '')));
        DROP TABLE answer;
    END IF;
    DEALLOCATE judged;
EXCEPTION WHEN OTHERS THEN
    INSERT INTO complaints VALUES (text_number, SQLERRM);
    DEALLOCATE ALL;
END $$;
