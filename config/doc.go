// Package config reads the configuration file.
//
// It is strict and complete: the YAML tree is walked beside the Go structs, so
// that an unknown key, a wrong type, a key given twice, a missing file and a
// value that cannot work are all found in one run, each with its place in the
// file, the line itself and what to do about it (Errors). Values that are not
// known to be harmless never appear in such a line: only what was read into a
// field that is not a Secret is shown.
//
// Rules that hold for every section, those of connectors included:
//
//   - a key without a value is the same as no key: the default stays;
//   - a field of type Secret with the key k takes its value from k, where
//     ${NAME} stands for an environment variable, or from the file that k_file
//     names;
//   - a key that ends in _file names a file that must be readable (tag
//     file:"created": one that may not exist yet), one that ends in _dir names
//     a folder. Both are relative to the folder of the configuration file;
//   - anchors, aliases, merge keys, tags and several documents are refused.
//
// The package makes no network calls, starts nothing, and imports nothing of
// ours. Whether a server answers is the business of the check command.
package config
