//! The cases that the program `case` knows and that `tests/cases.rs` runs.

/// Calls a macro with the names of all cases, by the module they are in.
#[macro_export]
macro_rules! for_every_case {
    ($then:ident) => {
        $then! {
            crashes {
                a_panic_is_told_with_message_and_place
                a_panic_has_a_backtrace_when_it_is_asked_for
                a_panic_has_no_backtrace_where_that_of_libraries_is_refused
                a_panic_looks_for_no_names_where_no_backtrace_is_asked_for
                a_long_message_of_several_lines_is_still_one_line
                panic_any_is_a_panic_without_text
                a_panic_while_panicking_is_an_abort
                an_exit_with_0_is_told
                an_exit_with_8_is_told
                an_exit_with_300_is_told_as_the_system_tells_it
                an_abort_is_told
                a_write_to_null_is_told
                a_stack_overflow_is_told
                an_allocation_past_the_limit_is_told
                a_limit_set_by_the_initializer_holds_in_every_worker
                values_of_one_parcel_outlive_the_worker_that_dies_of_the_next_item
                a_kill_from_outside_fails_only_the_item_that_runs
                a_termination_from_outside_is_told_by_its_signal
                a_kill_at_rest_fails_nothing
                what_a_task_started_dies_with_it
                a_panic_in_a_drop_is_the_functions_own
                a_panic_in_a_thread_is_what_the_function_makes_of_it
            }
            codecs {
                an_argument_that_refuses_to_be_encoded_fails_alone
                an_argument_that_panics_while_it_is_encoded_fails_alone
                an_argument_that_refuses_to_be_decoded_fails_alone
                an_argument_that_panics_while_it_is_decoded_fails_alone
                a_result_that_refuses_to_be_encoded_fails_alone
                a_result_that_panics_while_it_is_encoded_fails_alone
                a_result_that_refuses_to_be_decoded_fails_alone
                a_result_that_panics_while_it_is_decoded_fails_alone
                a_kill_while_an_argument_is_decoded_fails_only_its_item
                a_kill_while_a_result_is_encoded_fails_only_its_item
                bytes_left_over_and_bytes_missing_are_errors_of_their_item
            }
            depth {
                a_deep_value_arrives_as_argument_and_as_result
                deep_values_arrive_by_every_map
                deep_values_arrive_as_messages
                deep_values_that_nobody_gets_are_dropped
                a_deep_value_of_lists_maps_and_tuples_arrives
                without_room_for_a_larger_stack_a_deep_value_is_an_error_or_arrives
            }
            timeouts {
                a_task_past_its_timeout_fails_alone
                a_task_that_computes_past_its_timeout_fails_alone
                a_stopped_task_is_ended_by_its_timeout
                a_task_that_ignores_signals_is_ended_by_its_timeout
                a_timeout_ends_what_the_task_started
                neighbours_that_are_slow_together_do_not_time_out
                a_task_waits_for_its_turn_as_long_as_it_takes
                a_timeout_of_all_time_is_kept
                a_timeout_of_no_time_is_refused_by_every_call
                a_map_stops_at_the_first_timeout
                only_the_death_of_a_process_is_tried_again
                an_item_is_tried_again_without_its_neighbours
            }
            handles {
                a_running_call_can_be_killed_and_terminated
                a_finished_call_is_not_harmed_by_signals
                a_call_that_waits_in_a_pool_is_cancelled_by_whatever_ends_it
                a_spawned_call_that_waits_is_cancelled_by_whatever_ends_it
                waiting_calls_start_as_others_end
                a_call_that_is_cancelled_at_once_runs_or_does_not
                the_exit_status_of_a_spawned_call_is_its_processs
                failing_calls_complete_and_can_be_awaited_like_others
                calls_can_be_joined_in_any_order
                a_join_that_times_out_can_be_tried_again
                a_killed_call_is_not_tried_again
                detached_calls_go_on
            }
            inputs {
                a_panic_of_the_input_is_the_callers_and_leaves_the_pool_whole
                a_lazy_map_whose_input_panicked_comes_to_an_end
                an_input_that_lies_about_its_length_is_mapped_to_its_end
                sizes_that_make_no_sense_are_refused_by_every_call
            }
            starts {
                an_initializer_that_fails_is_an_error_of_the_build
                an_initializer_that_fails_later_fails_the_calls_without_a_storm
                a_call_that_may_be_tried_again_outlives_workers_that_do_not_start
                a_worker_that_cannot_come_back_leaves_the_work_to_the_others
                a_worker_that_fails_to_start_once_is_tried_again
                a_pool_that_waits_for_its_initializer_can_be_given_up
                without_descriptors_nothing_starts_and_later_it_does
                a_pool_without_descriptors_fails_its_calls_and_recovers
                large_values_without_descriptors_are_errors_of_their_calls
            }
            sizes {
                values_of_all_sizes_come_back_whole
                sizes_around_the_lanes_own_lose_no_byte
                results_much_larger_than_their_arguments_fit_in_chunks
                a_large_call_that_is_cancelled_takes_nothing_with_it
                a_large_call_that_was_cancelled_behind_one_that_ends_well_takes_nothing_with_it
                large_calls_are_shared_out_whole
                values_of_46_mib_come_back_whole
                values_of_100_mib_come_back_whole
                a_large_structure_comes_back_whole
            }
            scribbles {
                a_worker_that_overwrites_its_lane_hurts_only_its_own_tasks
                a_worker_that_overwrites_words_here_and_there_hurts_only_its_own_tasks
                a_task_that_closes_all_descriptors_hurts_only_itself
                a_task_that_exhausts_its_descriptors_hurts_only_what_needs_some
                a_task_that_replaces_the_panic_hook_loses_only_the_place
            }
            seams {
                a_reduction_ends_however_few_tasks_a_worker_runs
                a_cancelled_call_takes_nothing_of_a_workers_tasks
                thousands_of_cancelled_calls_take_nothing_of_workers_tasks
                a_call_that_is_signalled_at_about_its_end_takes_no_other_along
                an_initializer_whose_error_cannot_be_told_is_an_error_of_the_build
                an_initializer_whose_error_calls_us_is_an_error_of_the_build
                a_waker_may_wait_for_another_call_of_the_same_pool
                a_task_that_left_its_group_is_ended_by_its_timeout
                a_task_that_left_its_group_is_ended_by_its_handle_and_its_pool
                hundreds_of_calls_at_once_start_within_a_short_time_limit
                large_results_in_a_chunk_without_descriptors_fail_alone
                every_item_has_one_outcome_when_the_pool_ends_under_a_bad_item
                what_waits_behind_a_long_task_goes_to_a_free_worker_though_nobody_waits
                time_until_a_timeout_or_a_crash_is_busy_time
                time_of_a_task_that_runs_is_not_idle
            }
            churn {
                a_terminated_pool_ends_at_once_with_thousands_pending
                maps_end_with_their_pool
                a_closed_pool_finishes_what_it_has_and_takes_no_more
                workers_are_replaced_after_their_tasks_with_thousands_pending
                kills_at_random_moments_lose_no_value
                a_merge_that_fails_is_told_by_its_own_name
                many_threads_share_a_pool_whose_tasks_fail
            }
        }
    };
}
