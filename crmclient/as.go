package crmclient

// Selective is a Client with abilities that not every connection of its type has: what a rest target can do is a matter of its section. It
// has no methods for these itself.
type Selective interface {
	// Ability returns what has an ability, or nil where the connection has it not. It gets a nil pointer to the ability's interface, such as
	// (*TicketCreator)(nil).
	Ability(ability any) any
}

// As finds an ability of a client: T is one of the small interfaces of this package. Use it in place of a type assertion, which does not know
// of Selective.
func As[T any](client any) (T, bool) {
	able, ok := client.(T)
	if s, is := client.(Selective); is && !ok {
		able, ok = s.Ability((*T)(nil)).(T)
	}
	return able, ok
}
