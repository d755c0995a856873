"""The ledger: what must outlive every process. The only place that imports SQLAlchemy."""
