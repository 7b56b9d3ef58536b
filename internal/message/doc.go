// Package message turns the bytes of a mail into one normalised [Message]: decoded
// headers, text with and without quoted history, sanitised HTML, attachments by
// hash, and the message key by which two copies are known to be one message.
//
// The main idea is one pass over the stream. Lines are read from a fixed buffer,
// compared with the boundaries that are open, decoded and pushed into a sink: a
// bounded buffer for the words people read, a hash for everything else. Memory
// therefore depends on [Options] and not on the size of the mail: a message of
// 50 MB costs a few hundred kilobytes more than its text. [OpenAttachment] walks the
// same way again when somebody wants the bytes of one attachment.
//
// Mail is parsed as it is, not as it should be. A bad header line, a boundary
// that is missing or never closed, a charset that lies or a broken encoding costs
// at most what it covers; the rest is read and a flag tells what was in doubt.
// Parse fails only when its reader fails.
//
// # The message key
//
// A key is "m1-" and the hexadecimal SHA-256 over these lines, each ended by LF:
//
//   - "from" and the first address of From (else of Sender), lower case;
//   - "date" and the moment of Date in Unix seconds, so that another zone or
//     spelling changes nothing; the raw text where it is no date; nothing where
//     there is none;
//   - "subject" and the decoded subject without any white space;
//   - "id" and the Message-ID, where it is plausible (it has two sides of one @, no
//     white space, and at most 998 octets);
//   - "to" and the sorted addresses of To and Cc, only where no Message-ID is
//     plausible: two machines' mails of one second are then still two;
//   - "text" and "html" for each text that is shown, in order: charset, transfer
//     encoding and format=flowed undone, HTML as its visible words and link
//     targets, and all white space removed, since relays rewrap and trim;
//   - "file" and a SHA-256 for each attachment, sorted; of text and nested messages
//     without CR and without blanks at line ends, of all others exact;
//   - "salt" and Options.Salt, only where there is neither a plausible Message-ID nor
//     a Date, or where the content could not be read to its end: such a message is
//     the same as none but itself.
//
// So a Sent copy with Received fields, other folding, another transfer encoding
// or a removed Bcc has the key of the submitted copy; the same words sent again
// have another Date or Message-ID and so another key; and a forged Message-ID over
// other content is another message. Display names, file names, Bcc, boundaries and all other fields
// do not count. What a mailing list or a scanner adds to the text does. Text past Options.MaxText does not.
//
// # Likeness
//
// The key is strong: equal keys are one message, whatever happened. Other keys may still be the same message, where
// a provider replaced its Message-ID or Date, or a list added its marks. Two weaker signs are for those who know
// where the copies were seen (package mirror); neither is proof by itself:
//
//   - the likeness: "l1-" and half a SHA-256 over the lines text, html, file, from and subject as above, and "to" always. It
//     has no id, date or salt. It is empty without a sender, without any content, and where the content was not read to
//     its end. The same words to the same people have it each time they are sent: a likeness says "perhaps", never "is".
//   - [Message.ListCopyOf] compares what a list sent with the original: the same id, date, sender and files, a subject that ends as
//     the original's, a text that begins with it and has at most a footer more. A forger who knows all that
//     can add a footer's length of text unseen, to a message that is mirrored anyway.
//
// # The way of a mail
//
//   - lines.go cuts the stream, header.go and fields.go read header fields, address.go their mailboxes, words.go and
//     params.go what is encoded in them;
//   - body.go walks the parts, part.go says what each is, recognize.go what it makes of the message: a report, an
//     invitation, signed, encrypted;
//   - transfer.go undoes transfer encodings; uuencode.go, tnef.go and mapi.go take files out of text and out of
//     winmail.dat, and lzfu.go and rtf.go the text where that has nothing but RTF; file.go hashes files;
//   - charset.go decides in what charset octets are: as declared, UTF-8, GB18030, or what detect.go finds.
//     aliases.go has the names, stateful.go those that shift.
//
// It does not decide what is mirrored, store anything, or load anything remote. It opens no
// encryption and checks no signature, and of TNEF it reads no OLE.
package message
