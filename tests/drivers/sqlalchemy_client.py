"""SQLAlchemy 2 over psycopg: reflection, the ORM, and raw text."""

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from common import COUNT, COUNT_IN, COUNT_SQL, GROUPS, GROUPS_SQL, NONSENSE, equal, main, spellings


class Base(DeclarativeBase):
    pass


class Parent(Base):
    __tablename__ = "orm_parent"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    children: Mapped[list["Child"]] = relationship(back_populates="parent", cascade="all")


class Child(Base):
    __tablename__ = "orm_child"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    parent_id: Mapped[int] = mapped_column(sa.ForeignKey("orm_parent.id"))
    parent: Mapped[Parent] = relationship(back_populates="children")


def engine():
    return sa.create_engine("postgresql+psycopg://", pool_pre_ping=True)


def plain():
    eng = engine()
    Base.metadata.create_all(eng)
    with Session(eng) as session:
        session.add_all(Parent(name=f"p{i}", children=[Child(name=f"c{i}{j}") for j in range(3)]) for i in range(20))
        session.commit()
        found = session.scalars(sa.select(Parent).where(Parent.name == "p7")).one()
        equal(sorted(c.name for c in found.children), ["c70", "c71", "c72"], "relationship")
        found.name = "renamed"
        session.flush()
        session.rollback()
        equal(session.scalar(sa.select(sa.func.count()).where(Parent.name == "renamed")), 0, "rollback")
        session.delete(session.scalars(sa.select(Parent).where(Parent.name == "p8")).one())
        session.commit()
        equal(session.scalar(sa.select(sa.func.count()).select_from(Child)), 57, "cascade")
    inspector = sa.inspect(eng)
    assert {"customers", "orders", "orm_parent"} <= set(inspector.get_table_names())
    equal(inspector.get_foreign_keys("orm_child")[0]["referred_table"], "orm_parent", "reflection")
    assert "hr" in inspector.get_schema_names()
    reflected = sa.Table("orders", sa.MetaData(), autoload_with=eng)
    with eng.connect() as conn:
        assert conn.execute(sa.select(sa.func.sum(reflected.c.total))).scalar() > 0
        streamed = conn.execution_options(yield_per=100).execute(sa.select(reflected.c.id))
        equal(sum(1 for _ in streamed), conn.scalar(sa.text("select count(*) from orders")), "stream")
        try:
            conn.execute(sa.text("select * from no_such_table"))
            raise AssertionError("no error")
        except sa.exc.ProgrammingError as e:
            equal(e.orig.sqlstate, "42P01", "undefined table")
        conn.rollback()
        equal(conn.scalar(sa.text("select :x + 1"), {"x": 1}), 2, "after the error")
    Base.metadata.drop_all(eng)


def asks():
    with engine().connect() as conn:
        count = conn.scalar(sa.text(COUNT_SQL))
        groups = sorted(map(tuple, conn.execute(sa.text(GROUPS_SQL))))
        for sql in spellings(COUNT):
            equal(conn.scalar(sa.text(sql)), count, sql)
            equal(conn.exec_driver_sql(sql).scalar(), count, sql)
        for sql in spellings(GROUPS)[:-1]:
            equal(sorted(map(tuple, conn.execute(sa.text(sql)))), groups, sql)
        in_country = sa.text(f"select * from ask('{COUNT_IN}', :country)")
        equal(conn.scalar(in_country, {"country": "Germany"}), count, "an argument")
        derived = sa.text(f"select * from (/* ask: {GROUPS} */) r where r.country = :country")
        equal(conn.execute(derived, {"country": "Germany"}).fetchone()[1], count, "a derived table")
        try:
            conn.execute(sa.text(f"/* ask: {NONSENSE} */"))
            raise AssertionError("an answer to nonsense")
        except sa.exc.DBAPIError as e:
            equal(e.orig.sqlstate, "NL002", "nonsense")
        conn.rollback()
        equal(conn.scalar(sa.text("select 1")), 1, "after the refusal")


main(plain=plain, asks=asks)
