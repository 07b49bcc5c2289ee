#!/usr/bin/env escript
%% An ExoPort device in Erlang alone: what OTP's own term_to_binary and sha make of the protocol. Texts go out as strings,
%% as old device programs have them. Says each thing it saw on a line of its own; ends when a configuration was taken.

main([Port, Account, Device, DeviceKey, ServerKey]) ->
    {ok, S} = gen_tcp:connect("127.0.0.1", list_to_integer(Port), [binary, {packet, 4}, {active, false}, {nodelay, true}]),
    Kd = <<(list_to_integer(DeviceKey)):64>>, Ks = <<(list_to_integer(ServerKey)):64>>,
    Cd = crypto:strong_rand_bytes(4),
    Id = list_to_binary(["*", Account, "*", Device]),
    Hello = <<Cd/binary, (token(Kd, Cd, Id))/binary, Id/binary>>,
    ok = gen_tcp:send(S, Hello),
    {ok, <<Cs:4/binary, T:4/binary, Ids/binary>>} = gen_tcp:recv(S, 0, 10000),
    T = token(Ks, Cs, Ids),
    say("hello ~s", [Ids]),
    ok = gen_tcp:send(S, Hello),
    L = {S, {Kd, Cd}, {Ks, Cs}},
    raw(L, <<"reuse%port:9999">>),
    say("ping ~p", [call(L, {call, exodm_rpc, ping, []})]),
    say("notification ~p", [call(L, {call, exodm_rpc, notification, ["demo", "alarm", [{level, 3}, {note, "low"}, {'list', [2, 4, 6]}]]})]),
    say("rpc ~p", [call(L, {call, exodm_rpc, rpc, [demo, report, [{level, 7}, {big, 18446744073709551615}]]})]),
    say("other ~p", [element(1, call(L, {call, os, cmd, ["id"]}))]),
    raw(L, <<1, 2, 3>>),
    say("garbage ~p", [element(1, answer(L))]),
    serve(L).

%% Until a configuration has been taken.
serve(L) ->
    case handle(L, receive_term(L)) of
        configured -> ok;
        _ -> serve(L)
    end.

handle(L, {call, <<"demo">>, <<"blink">>, [Args]}) ->
    say("blink ~p", [Args]),
    Seen = proplists:get_value(times, Args),
    send(L, {reply, {notify, 'blink-callback', [{'rpc-status', 1}, {final, true}, {seen, Seen}, {note, "done"}]}});
handle(L, {call, exoport_config, push_config_set, [[Props]]}) ->
    {conf_tree, Name, Nodes} = proplists:get_value(values, Props),
    say("config ~s ~p", [Name, Nodes]),
    send(L, {reply, {notify, 'push-config-set-callback', [{'rpc-status', complete}, {final, true}]}}),
    gen_tcp:close(element(1, L)),
    configured;
handle(L, {call, _, _, _}) ->
    send(L, {error, {server, 2, <<"BERTError">>, <<"access denied">>, []}}).

call(L, Term) -> send(L, Term), answer(L).

%% The server may call while we wait for its answer.
answer(L) ->
    case receive_term(L) of
        {call, _, _, _} = Call -> handle(L, Call), answer(L);
        Answer -> Answer
    end.

send(L, Term) -> raw(L, term_to_binary(encode(Term))).
raw({S, {K, C}, _}, Payload) -> ok = gen_tcp:send(S, [token(K, C, Payload), Payload]).

receive_term({S, _, {K, C}}) ->
    {ok, <<T:4/binary, Payload/binary>>} = gen_tcp:recv(S, 0, 20000),
    T = token(K, C, Payload),
    decode(binary_to_term(Payload)).

token(K, C, P) -> <<_:16/binary, T:4/binary>> = crypto:hash(sha, [K, C, P]), T.

encode(true) -> {bert, true};
encode(false) -> {bert, false};
encode([]) -> {bert, nil};
encode(L) when is_list(L) -> [encode(X) || X <- L];
encode(T) when is_tuple(T) -> list_to_tuple([encode(X) || X <- tuple_to_list(T)]);
encode(X) -> X.

decode({bert, nil}) -> [];
decode({bert, X}) -> X;
decode(L) when is_list(L) -> [decode(X) || X <- L];
decode(T) when is_tuple(T) -> list_to_tuple([decode(X) || X <- tuple_to_list(T)]);
decode(X) -> X.

say(Format, Args) ->
    io:format("~s~n", [re:replace(io_lib:format(Format, Args), "\\s+", " ", [global, {return, list}])]).
