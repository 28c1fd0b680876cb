//! Schemas for the tests of this room, built without a database.

use std::sync::Arc;

use crate::access::visible::Visible;
use crate::schema::snapshot::{
    Column, ColumnStats, ForeignKey, Relation, RelationId, RelationKind, Snapshot, TypeClass,
};

/// Describes tables, a line each: `name: column type [!] [pk] [uq] [-> table] [= value|value] [# comment]; ...`
/// and, before the colon, `name # comment`.
pub(super) fn snapshot(lines: &[&str]) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let mut references: Vec<(usize, usize, String)> = Vec::new();
    for line in lines {
        let (head, body) = line.split_once(':').unwrap();
        let (name, comment) = commented(head);
        let (schema, name) = name.split_once('.').unwrap_or(("public", name));
        let mut relation = Relation {
            schema: schema.into(),
            name: name.into(),
            comment,
            row_estimate: Some(100.0),
            ..Relation::default()
        };
        for (position, text) in body.split(';').enumerate() {
            let (text, comment) = commented(text);
            let (text, values) = text.split_once('=').unwrap_or((text, ""));
            let (text, target) = text.split_once("->").unwrap_or((text, ""));
            let mut parts = text.split_whitespace();
            let name = parts.next().unwrap();
            let type_name = parts.next().unwrap();
            let marks: Vec<&str> = parts.collect();
            let values: Vec<String> = values
                .split('|')
                .map(str::trim)
                .filter(|v| !v.is_empty())
                .map(Into::into)
                .collect();
            if marks.contains(&"pk") {
                relation.primary_key.push(position);
            }
            if marks.contains(&"uq") {
                relation.unique_keys.push(vec![position]);
            }
            if !target.trim().is_empty() {
                references.push((snapshot.relations.len(), position, target.trim().into()));
            }
            let class = class(type_name);
            relation.columns.push(Column {
                name: name.into(),
                type_name: type_name.into(),
                class,
                not_null: marks.contains(&"!") || marks.contains(&"pk"),
                comment,
                enum_labels: if class == TypeClass::Enum {
                    values.clone()
                } else {
                    Vec::new()
                },
                stats: (class == TypeClass::Text && !values.is_empty()).then(|| ColumnStats {
                    common_values: values,
                    ..ColumnStats::default()
                }),
                ..Column::default()
            });
        }
        if relation.name.starts_with("waiting") {
            relation.kind = RelationKind::View;
        }
        snapshot.relations.push(relation);
    }
    for (from, column, target) in references {
        let to = snapshot
            .relations
            .iter()
            .position(|r| r.name == target)
            .unwrap();
        snapshot.foreign_keys.push(ForeignKey {
            name: String::new(),
            from: RelationId(from),
            from_columns: vec![column],
            to: RelationId(to),
            to_columns: snapshot.relations[to].primary_key.clone(),
        });
    }
    snapshot
}

fn commented(text: &str) -> (&str, Option<String>) {
    match text.split_once('#') {
        Some((text, comment)) => (text.trim(), Some(comment.trim().to_owned())),
        None => (text.trim(), None),
    }
}

fn class(type_name: &str) -> TypeClass {
    match type_name {
        "int" => TypeClass::Integer,
        "numeric" => TypeClass::Decimal,
        "text" => TypeClass::Text,
        "bool" => TypeClass::Boolean,
        "date" => TypeClass::Date,
        "timestamptz" => TypeClass::Timestamp,
        "enum" => TypeClass::Enum,
        _ => TypeClass::Other,
    }
}

/// A snapshot as its owner sees it.
pub(super) fn visible(snapshot: Snapshot) -> Visible {
    Visible::new(Arc::new(snapshot), Arc::from(["public".to_owned()]))
}

/// A shop.
pub(super) fn shop() -> Snapshot {
    snapshot(&[
        "hr.departments # Departments of the company: id int pk; name text ! uq = Sales|Logistics|Finance; city text ! = Hamburg|Dublin; budget numeric !",
        "hr.employees # Employees (staff) of the company: id int pk; name text !; job_title text ! = Buyer|Driver; department_id int ! -> departments; \
         manager_id int -> employees # The manager (boss), empty for the head; hired_on date !; salary numeric ! # Yearly salary in euros",
        "categories # Product categories: id int pk; name text ! uq = Lighting|Kitchen|Toys; description text !",
        "suppliers # Suppliers (vendors) that products are bought from: id int pk; name text ! uq; city text ! = Paris|Kyoto; country text ! = Germany|Poland|Japan",
        "products # Products (articles) of the catalogue: id int pk; name text ! uq = Oak Chair|Steel Desk; category_id int ! -> categories; \
         supplier_id int ! -> suppliers; price numeric !; cost numeric !; stock int ! # Units in the warehouse; discontinued bool !",
        "customers # Customers (clients, buyers) of the shop: id int pk; name text ! = Emma Smith; email text ! uq; city text ! = Paris|Berlin; \
         country text ! = Germany|France|Italy; registered_on date ! # The day the customer signed up; newsletter bool !; loyaltyPoints int !",
        "orders # Orders that customers placed: id int pk; customer_id int ! -> customers; employee_id int -> employees; \
         placed_at timestamptz ! # When the order was placed; status enum ! = pending|paid|shipped|delivered|cancelled; total numeric !",
        "order_items # The lines of an order: order_id int pk -> orders; line int pk; product_id int ! -> products; quantity int ! # Units sold; unit_price numeric !",
        "shipments # Deliveries of orders: id int pk; order_id int ! -> orders; carrier text ! = DHL|UPS # The company that carries the parcel; \
         shipped_on date !; delivered_on date",
        "reviews # Product reviews: id int pk; product_id int ! -> products; customer_id int ! -> customers; rating int !; comment text !; reviewed_on date !",
        "waiting_orders # Orders that wait: order_id int; customer text; country text = Germany; placed_at timestamptz; total numeric",
    ])
}

/// A network.
pub(super) fn network() -> Snapshot {
    snapshot(&[
        "sites: id int pk; name text ! uq = Berlin Data Centre|Paris Office; city text ! = Berlin|Paris; country text ! = Germany|France; opened_on date !",
        "devices # Network devices: id int pk; site_id int ! -> sites; hostname text ! uq = ber-rtr-01; kind text ! = router|switch|access point; \
         vendor text ! = Cisco|Juniper # The manufacturer; installed_on date !",
        "device_status # The latest poll of each device: device_id int pk -> devices; state enum ! = online|offline|degraded; cpu_percent numeric ! # CPU usage in percent; \
         last_seen_at timestamptz !",
        "interfaces # Network interfaces (ports) of the devices: id int pk; device_id int ! -> devices; name text !; speed_mbps int !; is_up bool !",
        "alerts # Alerts (alarms) that monitoring raised for a device: id int pk; device_id int ! -> devices; severity text ! = info|warning|critical; \
         status text ! = open|acknowledged|closed; message text !; raised_at timestamptz !; closed_at timestamptz",
    ])
}

/// A clinic.
pub(super) fn clinic() -> Snapshot {
    snapshot(&[
        "doctors: id int pk; full_name text ! = Dr Ada Stone; specialty text ! = Cardiology|Dermatology; joined_on date !; active bool !",
        "patients: id int pk; name text ! = Ben Ito; date_of_birth date !; insurance text ! = Public|Private; city text ! = Oslo|Bergen; weight_kg numeric; smoker bool !",
        "appointments # Visits: id int pk; patient_id int ! -> patients; doctor_id int ! -> doctors; starts_at timestamptz !; duration_minutes int !; status enum ! = booked|done|missed; fee numeric !",
        "diagnoses: id int pk; appointment_id int ! -> appointments; code text !; description text ! = Asthma|Eczema; severity text ! = mild|severe",
        "prescriptions: id int pk; appointment_id int ! -> appointments; medicine_id int ! -> medicines; dose_mg int !; prescribed_on date !",
        "medicines: id int pk; name text ! uq = Aspirin|Ibuprofen; price numeric !; in_stock int !",
    ])
}

/// A library.
pub(super) fn library() -> Snapshot {
    snapshot(&[
        "authors: id int pk; name text ! = Jane Austen|Leo Tolstoy; country text ! = England|Russia; birth_year int",
        "books: id int pk; title text ! = Emma|War and Peace; author_id int ! -> authors; genre text ! = novel|poetry|history; published_year int !; pages int !; price numeric !; copies int !",
        "members # Members (readers) of the library: id int pk; name text ! = Ida Moe; city text ! = Lyon|Nice; joined_on date !; birth_date date; premium bool !",
        "loans # Books lent to members: id int pk; book_id int ! -> books; member_id int ! -> members; loaned_on date !; due_on date !; returned_on date; fine numeric !",
        "ratings: id int pk; book_id int ! -> books; member_id int ! -> members; stars int !; rated_on date !",
        "branches: id int pk; name text ! uq = Central|Harbour; city text ! = Lyon|Nice",
        "events: id int pk; branch_id int ! -> branches; title text !; starts_at timestamptz !; attendance int !",
    ])
}
