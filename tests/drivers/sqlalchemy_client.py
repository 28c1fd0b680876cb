"""SQLAlchemy over psycopg and over asyncpg: reflection, the ORM, savepoints, streamed results, its pool, raw text.

The first argument names the dialect, `psycopg` or `asyncpg`; the asynchronous one runs the same functions.
"""

import hashlib
import sys

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from common import COUNT, COUNT_IN, COUNT_SQL, GROUPS, GROUPS_SQL, NONSENSE
from common import equal, fails, feature, main, spellings

DIALECT = sys.argv.pop(1)


class Base(DeclarativeBase):
    pass


class Parent(Base):
    __tablename__ = "orm_parent"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    children: Mapped[list["Child"]] = relationship(back_populates="parent", cascade="all")


class Child(Base):
    __tablename__ = "orm_child"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    parent_id: Mapped[int] = mapped_column(sa.ForeignKey("orm_parent.id", name="child_has_parent"))
    parent: Mapped[Parent] = relationship(back_populates="children")


def over_engine(function):
    """Runs a function of an engine; over the asynchronous dialect, through its bridge."""
    url = f"postgresql+{DIALECT}://"

    def plain(**kwargs):
        engine = sa.create_engine(url, pool_pre_ping=True)
        try:
            return function(engine)
        finally:
            engine.dispose()

    async def bridged():
        engine = create_async_engine(url, pool_pre_ping=True)
        try:
            async with engine.connect() as conn:
                return await conn.run_sync(lambda _: function(engine.sync_engine))
        finally:
            await engine.dispose()

    return bridged if DIALECT == "asyncpg" else plain


def shown(name):
    return lambda function: feature(name)(over_engine(function)) or function


def sqlstate(run):
    return fails(sa.exc.DBAPIError, run, lambda error: error.orig.sqlstate)


def value(conn, sql, **kwargs):
    return conn.scalar(sa.text(sql), kwargs)


@shown("parameters")
def parameters(engine):
    with engine.connect() as conn:
        given = {"a": 41, "b": None, "c": "ü'\\", "d": [1, 2], "e": {"n": 1}}
        types = {"a": sa.Integer, "b": sa.Text, "c": sa.Text, "d": sa.ARRAY(sa.Integer), "e": sa.JSON}
        columns = [sa.bindparam(key, item, type_=types[key]).label(key) for key, item in given.items()]
        return conn.execute(sa.select(*columns)).one()._asdict()


@shown("batch")
def batch(engine):
    table = sa.Table("batch_t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("t", sa.Text))
    table.create(engine)
    with engine.begin() as conn:
        conn.execute(table.insert(), [{"id": i, "t": "x"} for i in range(3000)])
        new = conn.execute(table.insert().returning(table.c.id, sort_by_parameter_order=True), [{"id": i} for i in (9001, 9000)])
        seen = [new.scalars().all()]
    with engine.connect() as conn:
        seen.append(sqlstate(lambda: conn.execute(table.insert(), [{"id": 5000}, {"id": 1}])))
        conn.rollback()
        seen.append(conn.scalar(sa.select(sa.func.count()).select_from(table)))
    table.drop(engine)
    return seen


@shown("transactions")
def transactions(engine):
    with engine.connect() as conn:
        value(conn, "select 1")
        seen = [sqlstate(lambda: value(conn, "select 1/0")), sqlstate(lambda: value(conn, "select 1"))]
        conn.rollback()
        return seen, value(conn, "select :x + 1", x=1)


@shown("savepoints")
def savepoints(engine):
    with engine.begin() as conn:
        conn.execute(sa.text("create temp table savepoints_t (i int) on commit drop"))
        try:
            with conn.begin_nested():
                conn.execute(sa.text("insert into savepoints_t values (1 / 0)"))
        except sa.exc.DBAPIError:
            pass
        with conn.begin_nested():
            conn.execute(sa.text("insert into savepoints_t values (2)"))
        return conn.execute(sa.text("select * from savepoints_t")).all()


@shown("isolation")
def isolation(engine):
    seen = []
    for level in ["SERIALIZABLE", "REPEATABLE READ", "AUTOCOMMIT"]:
        options = {"isolation_level": level, "postgresql_readonly": level == "SERIALIZABLE"}
        with engine.connect().execution_options(**options) as conn:
            seen.append((value(conn, "show transaction_isolation"), value(conn, "show transaction_read_only")))
    with engine.connect() as conn:
        return seen, value(conn, "show transaction_isolation"), value(conn, "show transaction_read_only")


@shown("cursor")
def cursor(engine):
    with engine.connect() as conn:
        streamed = conn.execution_options(yield_per=100).execute(sa.text("select generate_series(1, 1050)"))
        return sum(1 for _ in streamed), value(conn, "select 'another statement'")


@shown("errors")
def errors(engine):
    with engine.connect() as conn:
        seen = []
        for sql in ["select * from no_such_table", "insert into countries_that_are_not values (1)", "selec"]:
            seen.append((sqlstate(lambda: conn.execute(sa.text(sql))), conn.rollback()))
        return seen


@shown("settings")
def settings(engine):
    with engine.connect() as conn, engine.connect() as other:
        conn.execute(sa.text("set search_path = hr"))
        conn.commit()
        seen = []
        for _ in range(3):
            seen += [value(conn, "show search_path"), value(other, "show search_path")]
            conn.commit(), other.commit()
        translated = conn.execution_options(schema_translate_map={None: "hr"})
        employees = sa.table("employees", sa.column("id"))
        seen.append(translated.scalar(sa.select(sa.func.count()).select_from(employees)) > 0)
        return seen


@shown("sharing")
def sharing(engine):
    conns = [engine.connect() for _ in range(8)]
    conns[0].execute(sa.text("create table sharing_t (who int, i int)"))
    conns[0].commit()
    for i in range(10):
        for who, conn in enumerate(conns):
            conn.execute(sa.text("insert into sharing_t values (:who, :i)"), {"who": who, "i": i})
            conn.rollback() if who == 3 else conn.commit()
    seen = conns[7].execute(sa.text("select who, count(*), sum(i) from sharing_t group by who order by who")).all()
    conns[7].execute(sa.text("drop table sharing_t"))
    conns[7].commit()
    for conn in conns:
        conn.close()
    return seen


@shown("pool")
def pool(engine):
    """A connection that the server has closed is noticed by pool_pre_ping, and replaced."""
    with engine.connect() as conn:
        conn.execute(sa.text("set work_mem = '1MB'"))
        conn.rollback()
    with engine.connect() as conn:
        seen = [value(conn, "show work_mem")]
        mine = value(conn, "select pg_backend_pid()")
    with engine.connect() as conn:
        conn.execute(sa.text("create temp table pool_t (i int)"))  # keeps its server connection
        conn.commit()
        mine = value(conn, "select pg_backend_pid()")
        conn.rollback()
        with engine.connect() as other:
            value(other, "select pg_terminate_backend(:pid, 5000)", pid=mine)
    with engine.connect() as conn, engine.connect() as other:
        return seen, value(conn, "select 'alive'"), value(other, "select 'alive'")


@shown("ORM")
def orm(engine):
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(Parent(name=f"p{i}", children=[Child(name=f"c{i}{j}") for j in range(3)]) for i in range(20))
        session.commit()
        found = session.scalars(sa.select(Parent).where(Parent.name == "p7")).one()
        equal(sorted(c.name for c in found.children), ["c70", "c71", "c72"], "relationship")
        found.name = "renamed"
        session.flush()
        session.rollback()
        seen = [session.scalar(sa.select(sa.func.count()).where(Parent.name == "renamed"))]
        session.delete(session.scalars(sa.select(Parent).where(Parent.name == "p8")).one())
        session.commit()
        seen.append(session.scalar(sa.select(sa.func.count()).select_from(Child)))
        session.add(Parent(name="p7"))
        seen.append(sqlstate(session.flush))
        session.rollback()
        locked = session.scalars(sa.select(Parent).where(Parent.id < 4).order_by(Parent.id).with_for_update(skip_locked=True))
        seen.append([parent.name for parent in locked])
    Base.metadata.drop_all(engine)
    return seen


@shown("reflection")
def reflection(engine):
    Base.metadata.create_all(engine)
    inspector = sa.inspect(engine)
    assert {"customers", "orders", "orm_parent"} <= set(inspector.get_table_names())
    seen = [inspector.get_foreign_keys("orm_child"), inspector.get_unique_constraints("orm_parent")]
    seen.append(sorted(inspector.get_schema_names()))
    everything = []
    for name in sorted(inspector.get_table_names()):
        columns = [(column["name"], str(column["type"])) for column in inspector.get_columns(name)]
        everything.append((name, columns, inspector.get_pk_constraint(name), inspector.get_indexes(name)))
    seen.append((len(everything), hashlib.md5(repr(everything).encode()).hexdigest()))
    reflected = sa.Table("orders", sa.MetaData(), autoload_with=engine)
    with engine.connect() as conn:
        assert conn.scalar(sa.select(sa.func.sum(reflected.c.total))) > 0
    Base.metadata.drop_all(engine)
    return seen


@shown("ask")
def ask(engine):
    with engine.connect() as conn:
        count = value(conn, COUNT_SQL)
        groups = sorted(map(tuple, conn.execute(sa.text(GROUPS_SQL))))
        for sql in spellings(COUNT):
            equal(value(conn, sql), count, sql)
            equal(conn.exec_driver_sql(sql).scalar(), count, sql)
        for sql in spellings(GROUPS):
            equal(sorted(map(tuple, conn.execute(sa.text(sql)))), groups, sql)
        return count, len(groups)


@shown("ask-parameter")
def ask_parameter(engine):
    with engine.connect() as conn:
        return [value(conn, f"select * from ask('{COUNT_IN}', :country)", country=name) for name in ("Germany", "nowhere")]


@shown("ask-in-sql")
def ask_in_sql(engine):
    with engine.connect() as conn:
        derived = sa.text(f"select * from (/* ask: {GROUPS} */) r where r.country = :country")
        seen = [conn.execute(derived, {"country": "Germany"}).one()[1]]
        streamed = conn.execution_options(yield_per=3).execute(sa.text(f"/* ask: {GROUPS} */"))
        return seen, sum(1 for _ in streamed)


@shown("ask-refused")
def ask_refused(engine):
    with engine.connect() as conn:
        seen = sqlstate(lambda: conn.execute(sa.text(f"/* ask: {NONSENSE} */")))
        conn.rollback()
        return seen, value(conn, "select 1")


main(f"SQLAlchemy ({DIALECT})", sa.__version__)
