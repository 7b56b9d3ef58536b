package config

// Section is the part of the configuration that belongs to a connector. The
// connector reads it with Decode.
type Section struct{}

// Decode reads the section into a pointer to a struct with yaml tags.
func (s Section) Decode(into any) error { return nil }
