/// Text that providers' answers are made of, as if it had been sent before every recording.
///
/// A short stream is mostly its first and last events, and these are mostly names of members: spelled as the APIs
/// document them (chat and text completions of OpenAI, Azure, DeepSeek), nothing of anyone's answer. Copies reach
/// into it by position, so it is part of the stored format: changing one byte of it makes another format.
enum ChunkDictionary {
    static var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
    }

    /// What is common comes last, in the order in which it is sent.
    private static let text: StaticString = #"""
        data: {"error":{"message":"","type":"","param":null,"code":null}}"usage":{"prompt_tokens":0,\#
        "completion_tokens":0,"total_tokens":0,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},\#
        "completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,\#
        "rejected_prediction_tokens":0},"prompt_cache_hit_tokens":0,"prompt_cache_miss_tokens":0}}

        ,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"},"jailbreak":{"detected":false,\#
        "filtered":false},"self_harm":{"filtered":false,"severity":"safe"},"sexual":{"filtered":false,\#
        "severity":"safe"},"violence":{"filtered":false,"severity":"safe"}},"protected_material_code":\#
        {"detected":false,"filtered":false},"protected_material_text":"prompt_filter_results":[{"prompt_index":0,\#
        "tool_calls":[{"index":0,"id":"call_","type":"function","function":{"name":"","arguments":""}}]},\#
        "finish_reason":"tool_calls"}],"text_completion","text":"","reasoning_content":null,"reasoning":"\#
        {"id":"chatcmpl-","object":"chat.completion","created":17,"model":"deepseek-chat","choices":[{"index":0,\#
        "message":{"role":"assistant","content":"","refusal":null,"annotations":[]},"logprobs":null,\#
        "finish_reason":"stop"}],"usage":null,"service_tier":"default","system_fingerprint":null}

        data: {"id":"chatcmpl-","object":"chat.completion.chunk","created":17,"model":"gpt-4o-mini-2024-07-18",\#
        "service_tier":"default","system_fingerprint":"fp_","choices":[{"index":0,"delta":{"role":"assistant",\#
        "content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":""}

        data: [DONE]


        """#
}
