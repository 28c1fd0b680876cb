"""Apache Superset over its REST API, with datasets that are asks: what its browser would send.

The first argument is where Superset listens; the database is in PG..., as for the other scripts. Prints a line per thing
seen: name, tab, JSON. What went wrong prints FAILED, and the script ends with status 1.
"""

import http.cookiejar
import json
import os
import sys
import traceback
import urllib.error
import urllib.request

API = f"{sys.argv[1]}/api/v1"
COUNTRIES = "number of customers per country"
MONTHS = "revenue by month this year"


class Superset:
    """A logged-in session: the token of the API, and the one against forged requests."""

    def __init__(self):
        cookies = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))
        self.headers = {"Content-Type": "application/json"}
        login = {"username": "admin", "password": "admin", "provider": "db", "refresh": True}
        token = self.post("/security/login", login)["access_token"]
        self.headers["Authorization"] = f"Bearer {token}"
        self.headers["X-CSRFToken"] = self.get("/security/csrf_token/")["result"]

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(API + path, method=method, data=data, headers=self.headers)
        try:
            with self.opener.open(request, timeout=120) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            raise Refused(error.read().decode()) from error

    def get(self, path):
        return self.call("GET", path)

    def post(self, path, body):
        return self.call("POST", path, body)

    def dataset(self, database, name, sql):
        """The number and the columns of a new virtual dataset."""
        number = self.post("/dataset/", {"database": database, "schema": "public", "table_name": name, "sql": sql})["id"]
        columns = self.get(f"/dataset/{number}")["result"]["columns"]
        return number, [(column["column_name"], column["is_dttm"]) for column in columns]

    def chart(self, dataset, **query):
        """The rows of a chart, and the SQL that Superset made for them."""
        body = {
            "datasource": {"id": dataset, "type": "table"},
            "force": True,
            "queries": [{"row_limit": 1000, **query}],
            "result_format": "json",
            "result_type": "full",
        }
        return self.post("/chart/data", body)["result"][0]["data"]

    def lab(self, database, sql):
        """The rows that SQL Lab shows."""
        body = {"database_id": database, "sql": sql, "schema": "public", "runAsync": False, "queryLimit": 1000}
        return self.post("/sqllab/execute/", {**body, "client_id": os.urandom(5).hex(), "tab": "asked"})["data"]


class Refused(Exception):
    """What Superset answered instead."""


def total(column):
    return {"expressionType": "SQL", "sqlExpression": f"SUM({column})", "label": "total"}


def refusal(run):
    try:
        run()
    except Refused as refused:
        return str(refused)
    raise AssertionError("nothing was refused")


def database(superset):
    place = os.environ
    uri = "postgresql+psycopg2://{PGUSER}:{PGPASSWORD}@{PGHOST}:{PGPORT}/{PGDATABASE}".format(**place)
    return superset.post("/database/", {"database_name": "asked", "sqlalchemy_uri": uri})["id"]


def browses(superset, asked):
    tables = superset.get(f"/database/{asked}/tables/?q=(schema_name:public)")["result"]
    return sorted(table["value"] for table in tables)


def charts(superset, asked):
    dataset, columns = superset.dataset(asked, "countries", f"select * from ask('{COUNTRIES}')")
    (country, _), (count, _) = columns
    return superset.chart(dataset, columns=[country], metrics=[total(count)], orderby=[["total", False]])


def filters(superset, asked):
    dataset, columns = superset.dataset(asked, "filtered", f"select r.* from ask('{COUNTRIES}') as r")
    (country, _), (count, _) = columns
    some = [{"col": country, "op": "IN", "val": ["Germany", "France"]}]
    return superset.chart(dataset, columns=[country], metrics=[total(count)], filters=some, orderby=[[country, True]])


def charts_over_time(superset, asked):
    dataset, columns = superset.dataset(asked, "months", f"select * from ask('{MONTHS}')")
    (month, is_time), (revenue, _) = columns
    assert is_time, columns
    quarter = {"timeGrain": "P3M", "columnType": "BASE_AXIS", "sqlExpression": month, "label": month, "expressionType": "SQL"}
    rows = superset.chart(dataset, columns=[quarter], metrics=[total(revenue)], orderby=[["total", True]])
    return sorted(row["total"] for row in rows)


def asks_in_sql_lab(superset, asked):
    return superset.lab(asked, f"select * from ask('{COUNTRIES}')")


def shows_a_refusal(superset, asked):
    nonsense = "select * from ask('grumble the wibbly flonks')"
    return ["flonks" in refusal(lambda: superset.lab(asked, nonsense))]


def refuses_other_spellings(superset, asked):
    """Superset's own parser, before anything is sent: the day that it takes one, the document can say so."""
    spellings = [f"-- ask: {COUNTRIES}", f"/* ask: {COUNTRIES} */", f"ask: {COUNTRIES}", f"select * from (/* ask: {COUNTRIES} */) r"]
    seen = []
    for number, sql in enumerate(spellings):
        refusal(lambda: superset.dataset(asked, f"other {number}", sql))
        refusal(lambda: superset.lab(asked, sql))
        seen.append(sql)
    if superset.lab(asked, f"select -- ask: {COUNTRIES}"):
        raise AssertionError("a comment behind SELECT is asked")
    return seen


def main():
    superset = Superset()
    asked = database(superset)
    failed = False
    for see in [browses, charts, filters, charts_over_time, asks_in_sql_lab, shows_a_refusal, refuses_other_spellings]:
        try:
            print(see.__name__, json.dumps(see(superset, asked)), sep="\t", flush=True)
        except Exception as error:  # The rest is tried all the same.
            failed = True
            traceback.print_exc()
            print(see.__name__, f"FAILED: {error!r}"[:500].replace("\n", " "), sep="\t", flush=True)
    sys.exit(1 if failed else 0)


main()
