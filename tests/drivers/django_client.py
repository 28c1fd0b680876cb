"""Django: migrations, the ORM, transactions, server-side cursors in chunks, persistent connections, its own pool."""

import threading

import django
from django.conf import settings as configuration

from common import COUNT, COUNT_IN, COUNT_SQL, GROUPS, GROUPS_SQL, NONSENSE
from common import equal, fails, feature, main, server, spellings

place = {key.upper(): value for key, value in server().items()}
place["NAME"] = place.pop("DATABASE")
database = {"ENGINE": "django.db.backends.postgresql", "CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True, **place}
options = {"isolation_level": 4, "application_name": "its own", "options": "-c work_mem=3MB"}
configuration.configure(
    DATABASES={"default": database, "other": {**database, "OPTIONS": {**options, "server_side_binding": True}}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    TIME_ZONE="Europe/Berlin",
    USE_TZ=True,
)
django.setup()

from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.db import DatabaseError, connection, connections, models, transaction
from django.db.models import Count


def sqlstate(run):
    return fails(DatabaseError, run, lambda error: error.__cause__.sqlstate)


def rows(sql, parameters=None, using="default"):
    with connections[using].cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else None


@feature("migrations")
def migrations():
    call_command("migrate", verbosity=0)
    call_command("migrate", verbosity=0)
    tables = sorted(name for name in connection.introspection.table_names() if name.startswith(("auth_", "django_")))
    return tables, rows("select count(*) from django_migrations"), Permission.objects.count()


@feature("options")
def startup_options():
    seen = [rows("select current_setting('application_name'), current_setting('work_mem')", None, "other")]
    return seen, rows("show timezone"), rows("show transaction_isolation", None, "other")


@feature("parameters")
def parameters():
    given = (41, None, "ü'\\", [1, 2], b"\x00\xff")
    sql = "select %s::int, %s::text, %s::text, %s::int[], %s::bytea"
    seen = [tuple(map(bytes_of, row)) for using in ("default", "other") for row in rows(sql, given, using)]
    equal(seen, [given, given], "a row")
    return seen


def bytes_of(value):
    return bytes(value) if isinstance(value, memoryview) else value


@feature("batch")
def batch():
    made = Group.objects.bulk_create([Group(name=f"g{i}") for i in range(2000)], batch_size=500)
    first = made[0].pk
    assert [group.pk for group in made] == list(range(first, first + 2000)), "keys in order"
    Group.objects.bulk_create([Group(name="g1"), Group(name="one more")], ignore_conflicts=True)
    Group.objects.bulk_update([Group(pk=group.pk, name=group.name.upper()) for group in made[:10]], ["name"])
    return Group.objects.count(), list(Group.objects.order_by("pk").values_list("name", flat=True)[:3])


@feature("ORM")
def orm():
    user, fresh = User.objects.get_or_create(username="Zoë", defaults={"email": "z@example.org"})
    again, second = User.objects.update_or_create(username="Zoë", defaults={"first_name": "Z"})
    user.groups.add(*Group.objects.order_by("pk")[:3])
    seen = [fresh, second, again.pk == user.pk, user.groups.count()]
    seen += list(Group.objects.annotate(n=Count("user")).filter(n__gt=0).order_by("pk").values_list("name", "n"))
    seen.append(User.objects.filter(groups__name__in=["G1", "G2"]).distinct().get().first_name)
    seen.append(User.objects.get(pk=user.pk).date_joined == User.objects.in_bulk([user.pk])[user.pk].date_joined)
    seen.append(User.objects.filter(username="Zoë").delete()[0])
    seen.append(str(fails(User.DoesNotExist, lambda: User.objects.get(username="Zoë"), type)))
    return seen


@feature("transactions")
def transactions():
    heard = []
    with transaction.atomic():
        Group.objects.create(name="kept")
        transaction.on_commit(lambda: heard.append("committed"))
    try:
        with transaction.atomic():
            Group.objects.create(name="lost")
            rows("select 1/0")
    except DatabaseError as error:
        heard.append(error.__cause__.sqlstate)
    return heard, list(Group.objects.filter(name__in=["kept", "lost"]).values_list("name", flat=True))


@feature("savepoints")
def savepoints():
    with transaction.atomic():
        Group.objects.create(name="outer")
        seen = [sqlstate(lambda: create_twice("outer"))]
        Group.objects.create(name="after")
    return seen, sorted(Group.objects.filter(name__in=["outer", "after"]).values_list("name", flat=True))


def create_twice(name):
    with transaction.atomic():
        Group.objects.create(name=name)


@feature("isolation")
def isolation():
    with transaction.atomic(using="other"), transaction.atomic():
        seen = [rows("show transaction_isolation", None, using) for using in ("default", "other")]
        locked = Group.objects.select_for_update(skip_locked=True).order_by("pk")[:2]
        seen.append([group.name for group in locked])
        elsewhere = Group.objects.using("other").select_for_update(skip_locked=True).order_by("pk")[:1]
        seen.append([group.name for group in elsewhere])
    return seen


@feature("cursor")
def cursor():
    names = [name for name in Group.objects.order_by("pk").values_list("name", flat=True).iterator(chunk_size=100)]
    with transaction.atomic():
        inside = sum(1 for _ in Group.objects.iterator(chunk_size=300))
    # Outside a transaction these are WITH HOLD cursors; one is left half-read.
    first = next(Group.objects.order_by("pk").iterator(chunk_size=50)).name
    return len(names), inside, first, Group.objects.count()


@feature("errors")
def errors():
    with transaction.atomic():
        Group.objects.create(name="twice")

    def integrity(run):
        return fails(DatabaseError, run, lambda e: (type(e).__name__, e.__cause__.sqlstate, e.__cause__.diag.constraint_name))

    return integrity(lambda: Group.objects.create(name="twice")), integrity(lambda: rows("select * from no_such_table"))


@feature("sharing")
def sharing():
    """As many threads as a server of requests has, each with its own persistent connection."""
    rows_before = Group.objects.count()
    failures = []

    def request(who):
        try:
            for i in range(5):
                with transaction.atomic():
                    Group.objects.create(name=f"thread {who} {i}")
                    if who == 3:
                        transaction.set_rollback(True)
        except Exception as error:
            failures.append(repr(error))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=request, args=(who,)) for who in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures, Group.objects.count() - rows_before


@feature("persistent connections")
def persistent():
    """A health check at the start of a request replaces a connection that the server has closed."""
    rows("create temp table persistent_t (i int)")
    mine = rows("select pg_backend_pid()")
    rows("select pg_terminate_backend(%s, 5000)", mine[0], "other")
    connection.close_if_unusable_or_obsolete()
    connection.health_check_done = False
    connection.close_if_unusable_or_obsolete()
    connection.health_check_done = False
    return rows("select 'alive'")


@feature("unmanaged models")
def unmanaged():
    class Customer(models.Model):
        name = models.TextField()
        country = models.TextField()

        class Meta:
            app_label, db_table, managed = "shop", "customers", False

    per_country = Customer.objects.values("country").annotate(n=Count("pk")).order_by("-n", "country")
    call_command("flush", interactive=False, verbosity=0)
    for app in ("sessions", "auth", "contenttypes"):
        call_command("migrate", app, "zero", verbosity=0)
    return list(per_country)[:2], Customer.objects.filter(name__icontains="é").count() >= 0


@feature("ask")
def ask():
    count, groups = rows(COUNT_SQL), sorted(rows(GROUPS_SQL))
    for sql in spellings(COUNT):
        equal(rows(sql), count, sql)
    for sql in spellings(GROUPS):
        equal(sorted(rows(sql, None, "other")), groups, sql)
    return count, len(groups)


@feature("ask-parameter")
def ask_parameter():
    return [rows(f"select * from ask('{COUNT_IN}', %s)", (country,), "other") for country in ("Germany", "nowhere")]


@feature("ask-in-sql")
def ask_in_sql():
    return len(rows(f"select * from (/* ask: {GROUPS} */) r limit %s", (3,)))


@feature("ask-refused")
def ask_refused():
    return sqlstate(lambda: rows(f"/* ask: {NONSENSE} */")), rows("select 1")


main("Django", django.__version__)
