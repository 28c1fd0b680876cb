//! app

pub mod throwaway;
