//! The contract of a database that the store relies on. Every backend runs this suite.

use std::ops::ControlFlow;

use crate::backend::{Access, Backend, Connection, Moment};
use crate::{Row, StoreError, Value};

type Contract = (&'static str, fn(&dyn Backend));

const CONTRACTS: [Contract; 11] = [
    ("values come back as they went in", values_come_back),
    (
        "a change is seen after its commit only",
        changes_are_seen_after_the_commit,
    ),
    ("a reader keeps its snapshot", readers_keep_their_snapshot),
    ("a reader cannot write", readers_cannot_write),
    ("a savepoint takes back what came after it", savepoints_take_back),
    (
        "a transaction without a commit leaves nothing",
        transactions_without_a_commit_leave_nothing,
    ),
    (
        "a row is inserted or changed, and given back",
        rows_are_inserted_or_changed_and_given_back,
    ),
    ("keys and kinds are held", keys_and_kinds_are_held),
    (
        "a page begins after a key of several columns",
        pages_begin_after_a_key,
    ),
    ("a visitor ends a query", visitors_end_a_query),
    (
        "upkeep and recovery lose nothing",
        upkeep_and_recovery_lose_nothing,
    ),
];

/// Tests a backend against the contract. `fresh` returns an empty database each time.
pub(crate) fn run<B: Backend>(fresh: impl Fn() -> B) {
    for (sentence, hold) in CONTRACTS {
        let backend = fresh();
        let writer = backend.connect(Access::Write).unwrap();
        writer.begin().unwrap();
        writer
            .script(
                "CREATE TABLE owners (id {id}, name {text} NOT NULL UNIQUE) {strict};
                 CREATE TABLE things (
                     owner_id {int} NOT NULL REFERENCES owners (id),
                     name {text} NOT NULL,
                     number {int},
                     bytes {blob},
                     PRIMARY KEY (owner_id, name)
                 ) {without_rowid};",
            )
            .unwrap();
        writer.commit().unwrap();
        drop(writer);

        eprintln!("{sentence}");
        hold(&backend);
    }
}

fn writer(backend: &dyn Backend) -> Box<dyn Connection> {
    backend.connect(Access::Write).unwrap()
}

fn reader(backend: &dyn Backend) -> Box<dyn Connection> {
    backend.connect(Access::Read).unwrap()
}

fn add_owner(connection: &dyn Connection, name: &str) -> i64 {
    let sql = "INSERT INTO owners (name) VALUES (?1) RETURNING id";
    all(connection, sql, &[name.into()], |row| row.integer(0))[0]
}

fn owners(connection: &dyn Connection) -> Vec<String> {
    all(connection, "SELECT name FROM owners ORDER BY name", &[], |row| {
        Ok(row.text(0)?.to_owned())
    })
}

fn owners_in_a_transaction(connection: &dyn Connection) -> Vec<String> {
    connection.begin().unwrap();
    let owners = owners(connection);
    connection.commit().unwrap();
    owners
}

fn all<T>(
    connection: &dyn Connection,
    sql: &str,
    parameters: &[Value<'_>],
    each: impl Fn(&Row<'_>) -> Result<T, StoreError>,
) -> Vec<T> {
    let mut found = Vec::new();
    let queried = connection.query(sql, parameters, &mut |row| {
        found.push(each(row)?);
        Ok(ControlFlow::Continue(()))
    });
    queried.unwrap();
    found
}

fn values_come_back(backend: &dyn Backend) {
    let connection = writer(backend);
    connection.begin().unwrap();
    let owner = add_owner(connection.as_ref(), "ä\u{0}\u{1f980}");
    assert_eq!(owners(connection.as_ref()), ["ä\u{0}\u{1f980}"]);

    let cases: [(Option<i64>, Option<&[u8]>); 5] = [
        (None, None),
        (Some(0), Some(b"")),
        (Some(i64::MIN), Some(b"\0\xff")),
        (Some(i64::MAX), Some(&[7; 5_000])),
        (Some(-1), None),
    ];
    for (at, (number, bytes)) in cases.iter().enumerate() {
        let name = format!("thing {at}");
        let inserted = connection.execute(
            "INSERT INTO things (owner_id, name, number, bytes) VALUES (?1, ?2, ?3, ?4)",
            &[owner.into(), (&name).into(), (*number).into(), (*bytes).into()],
        );
        assert_eq!(inserted.unwrap(), 1);
    }
    let found = all(
        connection.as_ref(),
        "SELECT number, bytes FROM things ORDER BY name",
        &[],
        |row| {
            Ok((
                row.optional_integer(0)?,
                row.optional_blob(1)?.map(<[u8]>::to_vec),
            ))
        },
    );
    assert_eq!(
        found,
        cases.map(|(number, bytes)| (number, bytes.map(<[u8]>::to_vec)))
    );
}

fn changes_are_seen_after_the_commit(backend: &dyn Backend) {
    let (writer, reader) = (writer(backend), reader(backend));
    writer.begin().unwrap();
    add_owner(writer.as_ref(), "a");
    assert!(owners_in_a_transaction(reader.as_ref()).is_empty());
    writer.commit().unwrap();
    assert_eq!(owners_in_a_transaction(reader.as_ref()), ["a"]);
}

fn readers_keep_their_snapshot(backend: &dyn Backend) {
    let (writer, reader) = (writer(backend), reader(backend));
    reader.begin().unwrap();
    assert!(owners(reader.as_ref()).is_empty());
    writer.begin().unwrap();
    add_owner(writer.as_ref(), "a");
    writer.commit().unwrap();
    assert!(owners(reader.as_ref()).is_empty());
    reader.commit().unwrap();
    assert_eq!(owners_in_a_transaction(reader.as_ref()), ["a"]);
}

fn readers_cannot_write(backend: &dyn Backend) {
    let reader = reader(backend);
    reader.begin().unwrap();
    let written = reader.execute("INSERT INTO owners (name) VALUES ('a')", &[]);
    assert!(matches!(written, Err(StoreError::Statement(_))));
}

fn savepoints_take_back(backend: &dyn Backend) {
    let writer = writer(backend);
    let run = |sql: &str| writer.execute(sql, &[]).map(drop).unwrap();
    writer.begin().unwrap();
    for (name, kept) in [("a", true), ("b", false), ("c", true)] {
        run("SAVEPOINT one");
        add_owner(writer.as_ref(), name);
        if !kept {
            run("ROLLBACK TO SAVEPOINT one");
        }
        run("RELEASE SAVEPOINT one");
    }
    writer.commit().unwrap();
    assert_eq!(owners_in_a_transaction(writer.as_ref()), ["a", "c"]);

    writer.begin().unwrap();
    add_owner(writer.as_ref(), "d");
    run("ROLLBACK");
    assert_eq!(owners_in_a_transaction(writer.as_ref()), ["a", "c"]);
}

fn transactions_without_a_commit_leave_nothing(backend: &dyn Backend) {
    let lost = writer(backend);
    lost.begin().unwrap();
    lost.script("CREATE TABLE others (id {id}) {strict}").unwrap();
    add_owner(lost.as_ref(), "a");
    drop(lost);

    let next = writer(backend);
    assert!(owners_in_a_transaction(next.as_ref()).is_empty());
    next.begin().unwrap();
    next.script("CREATE TABLE others (id {id}) {strict}").unwrap();
    next.commit().unwrap();
}

fn rows_are_inserted_or_changed_and_given_back(backend: &dyn Backend) {
    let connection = writer(backend);
    connection.begin().unwrap();
    let owner = add_owner(connection.as_ref(), "a");
    for (number, stands) in [(5, 5), (7, 7), (6, 7)] {
        connection
            .execute(
                "INSERT INTO things (owner_id, name, number) VALUES (?1, 'n', ?2)
                 ON CONFLICT (owner_id, name) DO UPDATE SET number = excluded.number
                     WHERE excluded.number > things.number",
                &[owner.into(), i64::into(number)],
            )
            .unwrap();
        let found = all(connection.as_ref(), "SELECT number FROM things", &[], |row| {
            row.integer(0)
        });
        assert_eq!(found, [stands]);
    }

    let delete = "DELETE FROM things WHERE number = ?1 RETURNING name";
    assert!(all(connection.as_ref(), delete, &[6.into()], |_| Ok(())).is_empty());
    assert_eq!(
        all(connection.as_ref(), delete, &[7.into()], |row| Ok(row
            .text(0)?
            .to_owned())),
        ["n"]
    );
    assert_eq!(connection.execute("DELETE FROM things", &[]).unwrap(), 0);
}

fn keys_and_kinds_are_held(backend: &dyn Backend) {
    let refused: [(&str, &[Value<'_>]); 5] = [
        ("INSERT INTO owners (name) VALUES (?1)", &[Value::Text("a")]),
        ("INSERT INTO owners (name) VALUES (?1)", &[Value::Null]),
        ("INSERT INTO owners (name) VALUES (?1)", &[Value::Blob(b"b")]),
        (
            "INSERT INTO things (owner_id, name) VALUES (?1, 'n')",
            &[Value::Integer(99)],
        ),
        (
            "INSERT INTO things (owner_id, name, number) VALUES (1, 'n', ?1)",
            &[Value::Text("seven")],
        ),
    ];
    for (sql, parameters) in refused {
        let connection = writer(backend);
        connection.begin().unwrap();
        add_owner(connection.as_ref(), "a");
        let result = connection.execute(sql, parameters);
        assert!(
            matches!(result, Err(StoreError::Statement(_))),
            "{sql} {parameters:?}"
        );
    }
}

fn pages_begin_after_a_key(backend: &dyn Backend) {
    let connection = writer(backend);
    connection.begin().unwrap();
    let (first, second) = (
        add_owner(connection.as_ref(), "a"),
        add_owner(connection.as_ref(), "b"),
    );
    for (owner, name) in [(second, "a"), (first, "b"), (second, "B"), (first, "a")] {
        let sql = "INSERT INTO things (owner_id, name) VALUES (?1, ?2)";
        connection.execute(sql, &[owner.into(), name.into()]).unwrap();
    }

    let page = all(
        connection.as_ref(),
        "SELECT owner_id, name FROM things WHERE (owner_id, name) > (?1, ?2)
         ORDER BY owner_id, name LIMIT ?3",
        &[first.into(), "a".into(), 2.into()],
        |row| Ok((row.integer(0)?, row.text(1)?.to_owned())),
    );
    assert_eq!(
        page,
        [(first, "b".to_owned()), (second, "B".to_owned())],
        "text is ordered by its bytes"
    );
}

fn visitors_end_a_query(backend: &dyn Backend) {
    let connection = writer(backend);
    connection.begin().unwrap();
    for name in ["a", "b", "c"] {
        add_owner(connection.as_ref(), name);
    }

    let sql = "SELECT name FROM owners ORDER BY name";
    let mut seen = Vec::new();
    let broken = connection.query(sql, &[], &mut |row| {
        seen.push(row.text(0)?.to_owned());
        Ok(if seen.len() == 2 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    });
    assert!(broken.is_ok());
    assert_eq!(seen, ["a", "b"]);

    let failed = connection.query(sql, &[], &mut |row| {
        row.integer(0).map(|_| ControlFlow::Continue(()))
    });
    assert!(matches!(failed, Err(StoreError::Damaged { .. })));
    assert_eq!(
        owners(connection.as_ref()),
        ["a", "b", "c"],
        "the statement can be used again"
    );
}

fn upkeep_and_recovery_lose_nothing(backend: &dyn Backend) {
    let connection = writer(backend);
    for (name, moment) in [("a", Moment::Busy), ("b", Moment::Idle), ("c", Moment::Closing)] {
        connection.begin().unwrap();
        add_owner(connection.as_ref(), name);
        connection.commit().unwrap();
        connection.maintain(moment).unwrap();
    }
    drop(connection);

    let recovered = backend.reconnect().unwrap();
    recovered.begin().unwrap();
    add_owner(recovered.as_ref(), "d");
    recovered.commit().unwrap();
    assert_eq!(
        owners_in_a_transaction(reader(backend).as_ref()),
        ["a", "b", "c", "d"]
    );
}
