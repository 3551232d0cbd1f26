mod apply;
mod dependencies;
mod prune;
mod sync;
