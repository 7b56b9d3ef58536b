# What examples/request-tracker.yaml asks an administrator to make in RT, and people for the test.
our @CustomFields = (
    { Name => 'Mail key',    Type => 'FreeformSingle', LookupType => 'RT::Queue-RT::Ticket', ApplyTo => 0 },
    { Name => 'Mail thread', Type => 'FreeformSingle', LookupType => 'RT::Queue-RT::Ticket', ApplyTo => 0 },
    { Name => 'Copy key',    Type => 'FreeformSingle', LookupType => 'RT::Queue-RT::Ticket-RT::Transaction', ApplyTo => 0 },
);
our @Users = (
    { Name => 'heliograph', EmailAddress => 'gateway@example.com', Privileged => 1, Timezone => 'UTC', Password => 'gateway-password' },
    { Name => 'wang', EmailAddress => 'wang@example.com', RealName => 'Wang Fang', Privileged => 1 },
    { Name => 'li', EmailAddress => 'li.lei@customer.example', RealName => '李雷', Organization => 'Customer Ltd' },
);
our @ACL = (
    ( map { { UserId => 'heliograph', Right => $_ } } qw(
        SeeQueue ShowTicket ShowTicketComments CreateTicket CommentOnTicket ModifyTicket OwnTicket ReassignTicket
        SeeCustomField ModifyCustomField SetInitialCustomField AdminUsers ManageAuthTokens ) ),
    ( map { { UserId => 'wang', Right => $_ } } qw( SeeQueue ShowTicket OwnTicket ) ),
);
our @Final = (
    sub {
        my $user = RT::User->new($RT::SystemUser);
        $user->Load('heliograph');
        my $token = RT::AuthToken->new($RT::SystemUser);
        my ( $ok, $message, $text ) = $token->Create( Owner => $user->id, Description => 'gateway' );
        die "no token: $message" unless $ok;
        open my $out, '>', $ENV{HELIOGRAPH_TOKEN_FILE} or die $!;
        print $out $text;
        close $out or die $!;
    },
);
1;
