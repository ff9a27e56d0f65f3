//! Network, bundle, registry and activation.
