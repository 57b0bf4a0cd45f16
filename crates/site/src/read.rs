//! What the nodes of a file mean. Each module reads one kind of value; what it may contain at all is said by the
//! tables of [`schema`](crate::schema). A reader reports what is wrong and goes on, so that one look shows all.

mod acme;
mod actions;
mod fields;
mod headers;
mod hosts;
mod quantities;
mod redirect;
mod redirect_loop;
mod routes;
mod settings;
mod site;
mod tenancy;
mod tls;
mod values;

pub(crate) use settings::settings;
pub(crate) use site::site;
